"""A preset's training from beginning to end, and sweeps over such trainings. Its face in Python: `ConfigTrainer`."""
