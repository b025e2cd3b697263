"""How often the comparison is wrong: false alarms, power and coverage on simulated ways whose truth is known.

    python benchmarks/statistics_check.py            prints the table of docs/studies/statistics.md
    python benchmarks/statistics_check.py --quick    the same with a tenth of the simulations

The tests of `tests/evaluation/test_error_rates.py` run the same functions with fewer simulations.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from tailorlm.evaluation import Predictions, compare, interval
from tailorlm.evaluation.intervals import basic, bca, leave_one_out, resampled_bias
from tailorlm.evaluation.metrics import metric_of
from tailorlm.evaluation.resampling import bootstrap, share_rows


@dataclass(frozen=True)
class World:
    """How simulated ways answer.

    A row has a difficulty that all ways share, a part that each way sees differently, and a part that each training
    seed sees differently: a way is right where their sum is below a threshold. `shared` and `by_way` are their shares
    of the variance; the rest is the seed's. The default makes two ways of 85 % discordant on 7 % of rows. A wrong
    answer is the row's own second-best label 7 times in 10, so that ways err alike. `seed_spread` is the
    standard deviation of the true accuracy over training seeds, beyond what rows explain. `unequal`: labels have sizes
    1, 1/2, 1/3, ... instead of one size.
    """

    n: int = 1000
    labels: int = 5
    shared: float = 0.93
    by_way: float = 0.035
    seed_spread: float = 0.0
    seeds: int = 1
    unequal: bool = True

    def answers(self, rng: np.random.Generator, accuracy: list[float]) -> dict[str, list[Predictions]]:
        """Predictions of one way for each true accuracy, on one fresh test set."""
        ways, n, seeds = len(accuracy), self.n, self.seeds
        names = tuple(f"label {i:03d}" for i in range(self.labels))
        prior = 1.0 / np.arange(1, self.labels + 1) if self.unequal else np.ones(self.labels)
        gold = rng.choice(self.labels, n, p=prior / prior.sum())
        second = (gold + rng.integers(1, self.labels, n)) % self.labels
        latent = (
            np.sqrt(self.shared) * rng.normal(size=n)
            + np.sqrt(self.by_way) * rng.normal(size=(ways, 1, n))
            + np.sqrt(1 - self.shared - self.by_way) * rng.normal(size=(ways, seeds, n))
        )
        true = np.array(accuracy)[:, None] + self.seed_spread * rng.normal(size=(ways, seeds))
        threshold = np.array([[NormalDist().inv_cdf(min(max(a, 0.001), 0.999)) for a in row] for row in true])
        other = (gold + rng.integers(1, self.labels, (ways, seeds, n))) % self.labels
        wrong = np.where(rng.random((ways, seeds, n)) < 0.7, second, other)
        answered = np.where(latent < threshold[:, :, None], gold, wrong)
        ids, gold_names = tuple(map(str, range(n))), tuple(names[g] for g in gold)

        def predictions(codes: np.ndarray) -> Predictions:
            return Predictions(ids, gold_names, tuple(names[c] for c in codes), names)

        return {f"way {k}": [predictions(codes) for codes in answered[k]] for k in range(ways)}


@dataclass(frozen=True)
class Rates:
    """Shares of simulations in which some way is called worse: by the verdict, and by what one could have used."""

    verdict: float
    alone: float
    mcnemar: float
    holm: float


def false_alarms(world: World, ways: int, *, metric: str = "accuracy", times: int, resamples: int = 1000) -> Rates:
    """How often any of `ways` equal ways is called worse than the one that happened to come out best."""
    rng = np.random.default_rng(1)
    hits = np.zeros(4)
    for _ in range(times):
        found = compare(metric, world.answers(rng, [0.85] * ways), resamples=resamples).against_best.values()
        hits += [
            any(a.verdict == "worse" for a in found),
            any(a.p_bootstrap < 0.05 for a in found),
            any(a.p_mcnemar < 0.05 for a in found),
            any(a.p_mcnemar_adjusted < 0.05 for a in found),
        ]
    return Rates(*(hits / times))


def power(world: World, accuracy: list[float], *, metric: str = "accuracy", times: int, resamples: int = 1000) -> float:
    """How often 'way 0' is called worse than the best."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(times):
        hits += compare(metric, world.answers(rng, accuracy), resamples=resamples).verdict("way 0") == "worse"
    return hits / times


def coverage(world: World, metric: str, *, times: int, resamples: int = 1000) -> tuple[float, float]:
    """How often the 95 % interval holds the truth (the score on 400,000 fresh rows), and its mean width."""
    rng = np.random.default_rng(3)
    endless = replace(world, n=400_000, seed_spread=0.0, seeds=1)
    truth = 0.85 if metric == "accuracy" else score_of_one(metric, endless, rng)
    held = width = 0.0
    for _ in range(times):
        found = interval(metric, world.answers(rng, [0.85])["way 0"], resamples=resamples)
        held += found.low <= truth <= found.high
        width += found.high - found.low
    return held / times, width / times


def score_of_one(metric: str, world: World, rng: np.random.Generator) -> float:
    """The score of one way of 85 % on one test set of `world`."""
    predictions = world.answers(rng, [0.85])["way 0"][0]
    return metric_of(metric).score(*predictions.codes(), len(predictions.labels))


def interval_methods(world: World, *, times: int, resamples: int = 1000) -> tuple[float, float, float, float, float]:
    """Median bias of the resamples, and how often percentile, basic, BCa and the taken interval hold the macro-F1."""
    rng = np.random.default_rng(6)
    metric = metric_of("macro_f1")
    truth = score_of_one("macro_f1", replace(world, n=400_000), rng)
    held, biases = np.zeros(4), []
    for _ in range(times):
        seeds = world.answers(rng, [0.85])["way 0"]
        rows = share_rows({"": seeds})
        drawn = bootstrap(metric, rows, resamples, 0)[0][0]
        value = rows.evidence(metric)[0][0].score()
        bias = resampled_bias(value, drawn)
        taken = interval(metric, seeds, resamples=resamples)
        limits = [
            np.quantile(drawn, [0.025, 0.975]),
            basic(value, drawn, 0.95),
            bca(value, drawn, leave_one_out(metric, rows, 0), bias, 0.95),
            (taken.low, taken.high),
        ]
        held += [low <= truth <= high for low, high in limits]
        biases.append(bias)
    percentile, mirrored, corrected, chosen = held / times
    return float(np.median(biases)), percentile, mirrored, corrected, chosen


def difference_coverage(world: World, metric: str, *, times: int, resamples: int = 1000) -> float:
    """How often the interval of the difference between ways of 80 % and 85 % holds the true difference."""
    rng = np.random.default_rng(4)
    big = replace(world, n=400_000)
    truth = -0.05
    if metric != "accuracy":
        scores = compare(metric, big.answers(rng, [0.80, 0.85]), resamples=200).scores
        truth = scores["way 0"].value - scores["way 1"].value
    held = 0
    for _ in range(times):
        found = compare(metric, world.answers(rng, [0.80, 0.85]), resamples=resamples)
        (against,) = found.against_best.values()
        sign = 1 if against.name == "way 0" else -1
        low, high = sorted((sign * against.low, sign * against.high))
        held += low <= truth <= high
    return held / times


def discordant(world: World, times: int = 100) -> float:
    """The mean share of rows on which just one of two ways of 85 % is right."""
    rng = np.random.default_rng(5)
    share = 0.0
    for _ in range(times):
        found = next(iter(compare("accuracy", world.answers(rng, [0.85, 0.85]), resamples=200).against_best.values()))
        share += (found.rows_lost + found.rows_won) / world.n
    return share / times


def _alarms_table(times: int) -> None:
    print(
        "\nFalse alarms: equal ways, accuracy 85 %, level 95 %. Share of simulations in which any way is called worse,"
    )
    print("by the verdict (max-T) and by what one could have used: the bootstrap p against the best, McNemar, both")
    print("unadjusted, and McNemar with Holm.\n")
    print("| ways | rows | labels | metric | simulations | verdict | bootstrap alone | McNemar alone | McNemar, Holm |")
    print("|---|---|---|---|---|---|---|---|---|")
    cases = [(ways, 1000, 5, metric) for metric in ("accuracy", "macro_f1") for ways in (2, 9)]
    cases += [(ways, n, 5, "accuracy") for n in (50, 200) for ways in (2, 9)]
    cases += [(9, 200, 5, "macro_f1"), (2, 300, 77, "macro_f1"), (9, 300, 77, "macro_f1"), (9, 1000, 77, "macro_f1")]
    for ways, n, labels, metric in cases:
        rates = false_alarms(World(n, labels), ways, metric=metric, times=times)
        cells = [rates.verdict, rates.alone, rates.mcnemar, rates.holm]
        head = f"| {ways} | {n} | {labels} | {metric} | {times} |"
        print(head + "".join(f" {100 * c:.1f} % |" for c in cells), flush=True)


def _power_table(times: int) -> None:
    print(
        "\nPower: one way is truly worse by so much, all others have 85 %. Share of simulations in which it is called"
    )
    print("worse.\n")
    print("| ways | rows | worse by | metric | simulations | found |")
    print("|---|---|---|---|---|---|")
    cases = [(2, 1000, 3, "accuracy"), (9, 1000, 3, "accuracy"), (2, 1000, 3, "macro_f1"), (9, 1000, 3, "macro_f1")]
    cases += [(2, 1000, 2, "accuracy"), (9, 1000, 2, "accuracy"), (2, 300, 5, "accuracy"), (9, 300, 5, "accuracy")]
    for ways, n, points, metric in cases:
        found = power(World(n), [0.85 - points / 100] + [0.85] * (ways - 1), metric=metric, times=times)
        print(f"| {ways} | {n} | {points} points | {metric} | {times} | {100 * found:.1f} % |", flush=True)


def _coverage_table(times: int) -> None:
    print(
        "\nCoverage of 95 % intervals; labels of unequal size (1, 1/2, 1/3, ...); seeds differ by so many points beyond"
    )
    print("what rows explain.\n")
    print("| what | metric | rows | labels | seeds | seeds differ by | simulations | covered | mean width |")
    print("|---|---|---|---|---|---|---|---|---|")
    cases = [(n, 5, 1, 0.0, m) for n in (100, 300, 1000) for m in ("accuracy", "macro_f1", "balanced_accuracy")]
    cases += [(n, labels, 1, 0.0, "macro_f1") for n, labels in ((300, 20), (1000, 20), (300, 77), (1000, 77))]
    cases += [(1000, 5, seeds, sd, "accuracy") for seeds in (1, 2, 3, 5) for sd in (0.0, 0.01, 0.02) if seeds > 1 or sd]
    for n, labels, seeds, sd, metric in cases:
        held, width = coverage(World(n, labels, seeds=seeds, seed_spread=sd), metric, times=times)
        head = f"| score | {metric} | {n} | {labels} | {seeds} | {100 * sd:.0f} | {times} |"
        print(f"{head} {100 * held:.1f} % | {width:.3f} |", flush=True)
    for n, metric in ((300, "accuracy"), (300, "macro_f1"), (1000, "accuracy")):
        held = difference_coverage(World(n), metric, times=times)
        print(f"| difference | {metric} | {n} | 5 | 1 | 0 | {times} | {100 * held:.1f} % | |", flush=True)


def _methods_table(times: int) -> None:
    print(
        "\nWhich interval: coverage of 95 % intervals of macro-F1 by bootstrap method; 'bias' is how far the resamples"
    )
    print("lie to one side, in standard errors (median); 'taken' is what `interval` does.\n")
    print("| rows | labels | sizes | simulations | bias | percentile | basic | BCa | taken |")
    print("|---|---|---|---|---|---|---|---|---|")
    cases = [(300, 5, True), (300, 20, True), (300, 20, False), (100, 30, False), (300, 77, False), (600, 150, False)]
    for n, labels, unequal in [*cases, (150, 77, False)]:
        bias, *covered = interval_methods(World(n, labels, unequal=unequal), times=times)
        head = f"| {n} | {labels} | {'unequal' if unequal else 'equal'} | {times} | {bias:.2f} |"
        print(head + "".join(f" {100 * c:.1f} % |" for c in covered), flush=True)


def _seeds_table(times: int) -> None:
    print(
        "\nFalse alarms with several seeds: equal ways, 1,000 rows, accuracy; the accuracy of a seed differs by so many"
    )
    print(
        "points (standard deviation) beyond what rows explain. 'Rows only' is the exact test on rows with Holm, which"
    )
    print("takes the trained models as given.\n")
    print("| ways | seeds | seeds differ by | simulations | verdict | rows only | found when 4 points worse |")
    print("|---|---|---|---|---|---|---|")
    for ways in (2, 6):
        for seeds in (1, 2, 3, 5):
            for sd in (0.0, 0.01, 0.02):
                world = World(shared=0.88, by_way=0.04, seed_spread=sd, seeds=seeds)
                rates = false_alarms(world, ways, times=times, resamples=600)
                found = power(world, [0.81] + [0.85] * (ways - 1), times=times // 2, resamples=600)
                head = f"| {ways} | {seeds} | {100 * sd:.1f} | {times} |"
                print(
                    f"{head} {100 * rates.verdict:.1f} % | {100 * rates.holm:.1f} % | {100 * found:.0f} % |", flush=True
                )


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations")
    scale = 10 if parser.parse_args().quick else 1
    start = time.time()
    print(f"Two ways of 85 % are discordant on {100 * discordant(World()):.1f} % of rows.")
    _alarms_table(1000 // scale)
    _power_table(500 // scale)
    _coverage_table(1000 // scale)
    _methods_table(500 // scale)
    _seeds_table(200 // scale)
    print(f"\n{time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
