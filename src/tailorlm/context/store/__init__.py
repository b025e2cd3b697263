"""The example store: train rows with their answers, found by likeness, to which rows are added without any training."""

from tailorlm.context.store.examples import Example, Query
from tailorlm.context.store.settings import StoreSettings
from tailorlm.context.store.store import ExampleStore

__all__ = ["Example", "ExampleStore", "Query", "StoreSettings"]
