"""What a way of adapting is scored by: one file a metric, one line in the table."""

from __future__ import annotations

from tailorlm.core.registry import Registry
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics._base import Metric

TABLE = {
    "accuracy": "tailorlm.evaluation.metrics.accuracy:Accuracy",
    "balanced_accuracy": "tailorlm.evaluation.metrics.balanced_accuracy:BalancedAccuracy",
    "bits_per_byte": "tailorlm.evaluation.metrics.bits_per_byte:BitsPerByte",
    "bleu": "tailorlm.evaluation.metrics.bleu:Bleu",
    "brier": "tailorlm.evaluation.metrics.brier:Brier",
    "ece": "tailorlm.evaluation.metrics.ece:ECE",
    "exact_match": "tailorlm.evaluation.metrics.exact_match:ExactMatch",
    "hierarchical_f1": "tailorlm.evaluation.metrics.hierarchical_f1:HierarchicalF1",
    "labels_macro_f1": "tailorlm.evaluation.metrics.labels_macro_f1:LabelsMacroF1",
    "log_loss": "tailorlm.evaluation.metrics.log_loss:LogLoss",
    "macro_f1": "tailorlm.evaluation.metrics.macro_f1:MacroF1",
    "mae": "tailorlm.evaluation.metrics.mae:MAE",
    "map": "tailorlm.evaluation.metrics.map:MAP",
    "map_100": "tailorlm.evaluation.metrics.map_100:MAP100",
    "micro_f1": "tailorlm.evaluation.metrics.micro_f1:MicroF1",
    "mrr_10": "tailorlm.evaluation.metrics.mrr_10:MRR10",
    "ndcg_10": "tailorlm.evaluation.metrics.ndcg_10:NDCG10",
    "perplexity": "tailorlm.evaluation.metrics.perplexity:Perplexity",
    "qwk": "tailorlm.evaluation.metrics.qwk:QWK",
    "recall_1": "tailorlm.evaluation.metrics.recall_1:Recall1",
    "recall_10": "tailorlm.evaluation.metrics.recall_10:Recall10",
    "recall_5": "tailorlm.evaluation.metrics.recall_5:Recall5",
    "rmse": "tailorlm.evaluation.metrics.rmse:RMSE",
    "rouge_1": "tailorlm.evaluation.metrics.rouge_1:Rouge1",
    "rouge_2": "tailorlm.evaluation.metrics.rouge_2:Rouge2",
    "rouge_l": "tailorlm.evaluation.metrics.rouge_l:RougeL",
    "samples_f1": "tailorlm.evaluation.metrics.samples_f1:SamplesF1",
    "span_f1": "tailorlm.evaluation.metrics.span_f1:SpanF1",
    "span_overlap_f1": "tailorlm.evaluation.metrics.span_overlap_f1:SpanOverlapF1",
    "span_precision": "tailorlm.evaluation.metrics.span_precision:SpanPrecision",
    "span_recall": "tailorlm.evaluation.metrics.span_recall:SpanRecall",
    "spearman": "tailorlm.evaluation.metrics.spearman:Spearman",
    "subset_accuracy": "tailorlm.evaluation.metrics.subset_accuracy:SubsetAccuracy",
    "token_f1": "tailorlm.evaluation.metrics.token_f1:TokenF1",
}

metrics = Registry("metric", TABLE, "tailorlm.metrics")


def metric_of(metric: str | Metric) -> Metric:
    """The metric itself, for a registered name or a metric; an unknown name is a UsageError with near misses."""
    found: Metric = metrics.get(metric)() if isinstance(metric, str) else metric
    return found


def fits(metric: Metric, kind: str) -> bool:
    """Whether a metric scores answers of a kind: its own, or one that is scored as its own is, unless it says `own_kind_only`."""
    if metric.reads == kind:
        return True
    return metric.reads == getattr(kind_of(kind), "scored_as", kind) and not getattr(metric, "own_kind_only", False)


__all__ = ["TABLE", "Metric", "fits", "metric_of", "metrics"]
