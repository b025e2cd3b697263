"""The same preparation on a Ray cluster: the same bytes, and clear words where there is none."""

import importlib.util
import sys
from pathlib import Path

import pytest
from prep_rows import rows, write

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.prep import PrepSettings, prepare, spool
from tailorlm.data.prep.on_ray import RayWorker, cluster
from tailorlm.data.prep.stage import Outcome, StagePlan
from tailorlm.data.prep.worker import PLAN, RUN
from tailorlm.data.steps import Context
from tailorlm.data.steps.fields import Fields

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra `distributed` is not installed"
)


@pytest.fixture(scope="module")
def two_workers():
    """Ray on this machine, with two processors, for all tests of this file."""
    with cluster("local", 2) as (count, _):
        yield count


@needs_ray
def test_two_workers_of_ray_give_the_very_same_folder(two_workers, tmp_path, monkeypatch):
    found = rows(900) + rows(90)
    found[5]["text"] = "mail me: someone@somewhere.org or schÃ¶n"
    source = write(tmp_path / "a.jsonl", found)
    monkeypatch.setattr(spool, "CHUNK_BYTES", 20_000)
    chosen = validate({"rows": source}, PrepSettings)
    one = prepare(chosen, tmp_path / "one", workers=1)
    two = prepare(chosen, tmp_path / "two", workers=two_workers, ray="local")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == names
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl", "dropped.jsonl", "prep.yaml"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    for first, second in zip(one["steps"], two["steps"], strict=True):
        assert first | {"seconds": 0} == second | {"seconds": 0}
    assert one["written"] == two["written"]


@needs_ray
def test_a_lost_actor_is_replaced_and_three_are_too_many(two_workers):
    import ray

    plan = StagePlan(Context(Fields()).plain(), (("repair", {}),))
    worker = RayWorker()
    worker.ask(PLAN, plan.dump(), 0)
    line = b'["a.jsonl", 1, "", "", {"text": "two  blanks"}]\n'
    for left in (True, True, False):
        ray.kill(worker._actor)
        if left:
            assert b'"two blanks"' in Outcome.unpack(worker.ask(RUN, line, 0)).kept
        else:
            with pytest.raises(TailorError, match="ended before their work was done"):
                worker.ask(RUN, line, 0)


@needs_ray
def test_a_fault_over_there_is_raised_here(two_workers, tmp_path):
    source = write(tmp_path / "a.jsonl", rows(10))
    chosen = validate({"rows": source, "steps": [{"part": "split", "by": "group", "column": "who"}]}, PrepSettings)
    with pytest.raises(UsageError, match="column"):
        prepare(chosen, tmp_path / "o", workers=two_workers, ray="local")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


@needs_ray
def test_more_workers_than_processors(two_workers):
    with pytest.raises(TailorError, match="too few processors"), cluster("local", 3):
        pass


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:9", "auto"])
def test_no_cluster_answers(address, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", _refused)  # its own search for one takes seconds
    with pytest.raises(TailorError, match=f"no Ray cluster answers at {address}") as caught, cluster(address, 2):
        pass
    assert "ray start --head" in str(caught.value)


def test_ray_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    source = write(tmp_path / "a.jsonl", rows(5))
    with pytest.raises(UsageError, match="not installed") as caught:
        prepare(validate({"rows": source}, PrepSettings), tmp_path / "o", ray="local")
    assert "tailorlm[distributed]" in str(caught.value)
    assert not Path(tmp_path / "o").exists()


def _refused(**_: object) -> None:
    raise ConnectionError
