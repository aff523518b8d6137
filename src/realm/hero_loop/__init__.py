"""A hero's day: take a quest, train, save, be examined; no quest: practise. Start reading in `day`."""

from realm.hero_loop.day import HeroLoop

__all__ = ["HeroLoop"]
