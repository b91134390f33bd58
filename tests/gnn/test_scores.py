"""Scores of predicted probabilities."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn.metrics import brier_score_loss, roc_auc_score

from qkd_gym.gnn.scores import calibration_curve, scores


def test_scores_agree_with_their_definitions():
    rng = np.random.default_rng(0)
    chance = rng.random(4000)
    label = (rng.random(4000) < chance).astype(float)
    row = scores(chance, label)
    assert row["brier"] == pytest.approx(brier_score_loss(label, chance))
    assert row["auc"] == pytest.approx(roc_auc_score(label, chance))
    # Ten bins of 400: the mean absolute error is at most 0.8 * 0.5 / 20.
    assert row["calibration_error"] < 0.03
    assert scores(np.sqrt(chance), label)["calibration_error"] > 0.1
    mean, share, count = calibration_curve(np.array([0.0, 0.05, 1.0]), np.array([0.0, 1.0, 1.0]))
    assert (mean[0], share[0], count[0]) == (0.025, 0.5, 2)
    assert (mean[9], share[9], count[9]) == (1.0, 1.0, 1)
