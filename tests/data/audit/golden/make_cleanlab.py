"""Figures of cleanlab for the inputs of `test_confident.py`.

    python tests/data/audit/golden/make_cleanlab.py > tests/data/audit/golden/cleanlab.json

Needs cleanlab (made with 2.9.0) in an environment of its own; it is no dependency of this project.
"""

import json
import sys

import numpy as np


def inputs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Given labels, and probabilities by a fair judge of the true ones."""
    random = np.random.default_rng(seed)
    n_labels, n = (3, 200) if seed == 0 else (8, 600)
    true = random.integers(0, n_labels, n)
    given = np.where(random.random(n) < 0.15, random.integers(0, n_labels, n), true)
    found = random.dirichlet(np.full(n_labels, 0.5), n)
    found[np.arange(n), true] += 2 * random.random(n)
    return given, found / found.sum(axis=1, keepdims=True)


def main() -> None:
    import cleanlab
    from cleanlab.count import compute_confident_joint, get_confident_thresholds
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_normalized_margin_for_each_label

    made: dict[str, object] = {"cleanlab": cleanlab.__version__}
    for seed in (0, 1):
        labels, probabilities = inputs(seed)
        issues = find_label_issues(labels, probabilities, return_indices_ranked_by="normalized_margin")
        made[str(seed)] = {
            "thresholds": np.round(get_confident_thresholds(labels, probabilities), 9).tolist(),
            "confident_joint": compute_confident_joint(labels, probabilities, calibrate=False).tolist(),
            "lowest": np.argsort(get_normalized_margin_for_each_label(labels, probabilities))[:50].tolist(),
            "issues": sorted(issues.tolist()),
        }
    json.dump(made, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
