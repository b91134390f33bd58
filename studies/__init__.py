"""Studies of training, each over several seeds: ``python -m studies learning``. Not installed."""
