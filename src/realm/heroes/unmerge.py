"""A merged model made its base again: the adapter is subtracted, and the result held against the base itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from realm.errors import UsageError
from realm.heroes import adapters, weights
from realm.heroes.hero import Profile, load_base
from realm.heroes.weights import Weights

_WHICH = "Name the folder that `realm adapter merge` made of this checkpoint."


def unmerge(folder: Path, checkpoint: Path, target: Path, *, profile: Profile, models: Path, limit: float) -> float:
    """Write to the new folder `target` what remains of the model in `folder` without the adapter in `checkpoint`.

    Returns the largest difference of a weight to the base. Raises UsageError when it is above `limit`: then the model
    was not made of this adapter.
    """
    if target.exists():
        raise UsageError(f"{target} exists already; nothing is overwritten.", hint="Choose another: --to DIR")
    base = load_base(profile, checkpoint, models=models)
    merged = base.family.load_model(Weights(weights.complete(folder)), base.tokenizer, seed="")
    theirs, ours = dict(base.model.named_parameters()), dict(merged.named_parameters())
    if {name: p.shape for name, p in theirs.items()} != {name: p.shape for name, p in ours.items()}:
        raise UsageError(f"{folder} is another model than the adapter's base.", hint=_WHICH)
    model = adapters.unmerged(merged, checkpoint)
    largest = max(float((p.detach() - theirs[name].detach()).abs().max()) for name, p in model.named_parameters())
    if not largest <= limit:
        raise UsageError(
            f"{folder} was not made of this adapter: without it, weights differ from the base by up to {largest:.1e}.",
            hint=_WHICH,
        )
    temporary = target.with_name(f".{target.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    base.tokenizer.save_pretrained(temporary)
    temporary.rename(target)
    return largest
