"""Guerdon plugins that listen: `tensorboard`, `wandb` and `trackio`, each for runs that name it under `trackers`."""
