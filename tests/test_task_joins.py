"""Which executor task became which manager's task: the join itself, as a function of what is known of the tasks."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.task_joins import ExecutorTask, ManagerTask, join_tasks
from tests.managers import Made, made


def executor_task(task: Made, **known: Any) -> ExecutorTask:
    found = ExecutorTask(
        task.number, 1000 + task.number, None, task.app, task.time("created"), None, task.time("updated")
    )
    return found._replace(**known)


def manager_task(task: Made, **known: Any) -> ManagerTask:
    assert task.manager is not None
    times = (task.time(step) for step in ("waiting", "running", "retrieval", "done"))
    return ManagerTask(task.manager, task.manager, None, task.app, *times)._replace(**known)


def sides(tasks: list[Made]) -> tuple[list[ExecutorTask], list[ManagerTask]]:
    return [executor_task(task) for task in tasks], [manager_task(task) for task in tasks if task.manager is not None]


def pairs(executor: list[ExecutorTask], manager: list[ManagerTask]) -> dict[int, tuple[int, str | None]]:
    """Return the executor task and note of each manager's task that is joined, where nothing contradicts itself."""
    joins, contradictions = join_tasks(executor, manager)
    assert contradictions == []
    return {join.manager_task.number: (join.executor_task.number, join.note) for join in joins}


def truth(tasks: list[Made]) -> dict[int, int]:
    return {task.manager: task.number for task in tasks if task.manager is not None}


def numbers(found: dict[int, tuple[int, str | None]]) -> dict[int, int]:
    return {manager: executor for manager, (executor, _note) in found.items()}


def test_a_line_of_the_log_is_the_join() -> None:
    """It needs no support, and what is known otherwise of these two tasks does not count."""
    tasks = made(3, ["work", "other"])
    executor, manager = sides(tasks)
    executor = [one._replace(manager_task=other) for one, other in zip(executor, (3, 1, 2), strict=True)]
    assert pairs(executor, manager) == {3: (0, None), 1: (1, None), 2: (2, None)}


def test_the_names_of_files_are_the_join_where_the_rest_agrees() -> None:
    tasks = made(4)
    executor, manager = sides(tasks)
    manager = [other._replace(executor_task=other.number - 1) for other in manager]
    assert pairs(executor, manager) == {n: (n - 1, "from the names of its files") for n in (1, 2, 3, 4)}


def test_the_order_is_the_join_where_all_agrees() -> None:
    tasks = made(5, ["work", "other"])
    note = "inferred from the order of tasks, 5 on either side; category and 2 times agree"
    assert pairs(*sides(tasks)) == {n: (n - 1, note) for n in range(1, 6)}


def test_times_on_the_worker_support_a_join() -> None:
    tasks = made(2)
    executor, manager = sides(tasks)
    began = [one._replace(running=task.time("running") + 0.01) for one, task in zip(executor, tasks, strict=True)]
    assert {note for _number, note in pairs(began, manager).values()} == {
        "inferred from the order of tasks, 2 on either side; 4 times agree"
    }
    # Another clock runs there, so that they exclude none.
    late = [one._replace(running=task.time("updated") + 100) for one, task in zip(executor, tasks, strict=True)]
    assert {note for _number, note in pairs(late, manager).values()} == {
        "inferred from the order of tasks, 2 on either side; 2 times agree"
    }


def test_a_join_that_nothing_checks_says_so() -> None:
    executor = [ExecutorTask(number, number, None, None, None, None, None) for number in range(3)]
    manager = [ManagerTask(number, number, None, None, None, None, None, None) for number in range(1, 4)]
    note = "inferred from the order of tasks, 3 on either side; nothing to check by"
    assert pairs(executor, manager) == {1: (0, note), 2: (1, note), 3: (2, note)}
    only = [one._replace(created=1.0) for one in executor]
    after = [other._replace(waiting=2.0) for other in manager]
    assert {note for _n, note in pairs(only, after).values()} == {
        "inferred from the order of tasks, 3 on either side; a time agrees"
    }


@pytest.mark.parametrize("managers", [3, 4])
def test_logged_joins_that_leave_no_place(managers: int) -> None:
    """The first executor task was the last of the manager's, as a line says: then no order holds for the others."""
    executor, manager = sides(made(4))
    executor, manager = [executor[0]._replace(manager_task=managers), *executor[1:]], manager[:managers]
    joins, contradictions = join_tasks(executor, manager)
    assert [(join.executor_task.number, join.manager_task.number) for join in joins] == [(0, managers)]
    example = "and executor task 1, which has its place in order: joins that are logged leave no place"
    assert contradictions == [f"manager's task 1 ({manager[0].category}) {example}"] * (managers - 1)


def test_a_category_may_be_all_that_agrees() -> None:
    executor, manager = sides(made(4, ["work", "other"]))
    executor = [one._replace(created=None, updated=None) for one in executor]
    assert {note for _number, note in pairs(executor, manager).values()} == {
        "inferred from the order of tasks, 4 on either side; category agrees"
    }


def test_a_category_of_all_says_nothing() -> None:
    """With autocategory=False all tasks are in 'parsl-default', whatever their app."""
    tasks = made(3, ["work", "other"])
    executor, manager = sides(tasks)
    manager = [other._replace(category="parsl-default") for other in manager]
    assert numbers(pairs(executor, manager)) == truth(tasks)
    # The one category that there is may be an app's name, too.
    manager = [other._replace(category="work") for other in manager]
    assert numbers(pairs(executor, manager)) == truth(tasks)


def test_categories_that_are_no_apps_say_nothing() -> None:
    """They have other names than the apps, so that which is which is not known."""
    tasks = made(4, ["work", "other"])
    executor, manager = sides(tasks)
    manager = [other._replace(category=f"category of {other.category}") for other in manager]
    found = pairs(executor, manager)
    assert numbers(found) == truth(tasks)
    assert found[1][1] == "inferred from the order of tasks, 4 on either side; 2 times agree"


def test_what_a_line_says_is_not_inferred_otherwise() -> None:
    """The managers' log was cut: executor task 0 became one that it lacks."""
    executor, manager = sides(made(3))
    executor[0] = executor[0]._replace(manager_task=77)
    assert pairs(executor[:1], manager[:1]) == {}
    assert pairs(executor[:2], manager[:1]) == {
        1: (1, "inferred from the order of tasks, 1 on either side; 2 times agree")
    }


def test_one_more_executor_task_leaves_what_has_one_place() -> None:
    """One failed in creation: which one is told by the categories, but for those next to it that are alike."""
    tasks = made(7, ["a", "b", "c"], failed=[4])
    found = pairs(*sides(tasks))
    assert numbers(found) == truth(tasks) == {1: 0, 2: 1, 3: 2, 4: 3, 5: 5, 6: 6}
    assert {note for _number, note in found.values()} == {
        "inferred from the order of tasks, 7 and 6, of which one place fits; category and 2 times agree"
    }
    same = made(4, ["a"], failed=[1])
    assert pairs(*sides(same)) == {}
    # The times tell: the next was made when this one was back.
    apart = made(4, ["a"], failed=[1], apart=5)
    assert numbers(pairs(*sides(apart))) == truth(apart)


def test_one_more_managers_task_leaves_what_has_one_place() -> None:
    """parsl.log has been cut."""
    tasks = made(5, ["a", "b", "c"])
    executor, manager = sides(tasks)
    assert numbers(pairs(executor[:-1], manager)) == {1: 0, 2: 1, 3: 2, 4: 3}
    assert numbers(pairs(executor[1:], manager)) == {2: 1, 3: 2, 4: 3, 5: 4}


@pytest.mark.parametrize("known", ["logged", "named"])
def test_what_is_known_bounds_the_others(known: str) -> None:
    tasks = made(6, failed=[1])
    executor, manager = sides(tasks)
    assert pairs(executor, manager) == {}
    if known == "logged":
        executor[2] = executor[2]._replace(manager_task=2)
    else:
        manager[1] = manager[1]._replace(executor_task=2)
    found = pairs(executor, manager)
    # Task 1 may be executor task 0 or 1.
    assert numbers(found) == {2: 2, 3: 3, 4: 4, 5: 5}
    assert found[2][1] == (None if known == "logged" else "from the names of its files")
    assert found[3][1] == "inferred from the order of tasks, 5 and 4, of which one place fits; 2 times agree"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"category": "other"}, "manager's task 3 (other) and executor task 2, which has its place in order: "
                                "the one is work, the other other"),
        ({"waiting": 0.0}, "manager's task 3 (work) and executor task 2, which has its place in order: "
                           "it came to the manager before it was created"),
        ({"done": 2e9}, "manager's task 3 (work) and executor task 2, which has its place in order: "
                        "its result was back before the manager had it"),
    ],
)  # fmt: skip
def test_one_contradiction_leaves_no_inferred_join(change: dict[str, Any], text: str) -> None:
    executor, manager = sides(made(5))
    manager[2] = manager[2]._replace(**change)
    if "category" in change:
        executor[4] = executor[4]._replace(category="other")
        manager[4] = manager[4]._replace(category="other")
    assert join_tasks(executor, manager) == ([], [text] * 5)


def test_times_may_differ_a_little() -> None:
    """Two processes of one host write down one moment in either order."""
    (task,) = made(1)
    one, other = executor_task(task), manager_task(task)
    created, updated = task.time("created"), task.time("updated")

    def joined(by: float) -> int:
        early = other._replace(waiting=created - by)
        late = other._replace(done=updated + by)
        found = [len(join_tasks([one], [changed])[0]) for changed in (early, late)]
        assert found[0] == found[1]
        return found[0]

    assert joined(0.0005) == 1
    assert joined(0.002) == 0


def test_log_and_files_that_disagree() -> None:
    executor, manager = sides(made(4))
    executor[1] = executor[1]._replace(manager_task=2)
    manager[1] = manager[1]._replace(executor_task=3)
    # What was joined by its own evidence stays; the order of the others is not trusted.
    executor[0] = executor[0]._replace(manager_task=1)
    joins, contradictions = join_tasks(executor, manager)
    assert [(join.executor_task.number, join.manager_task.number) for join in joins] == [(0, 1)]
    assert contradictions == ["manager's task 2 (work): parsl.log says 1, its files say 3"]


def test_files_of_a_task_of_another_category() -> None:
    tasks = made(4, ["work", "other"])
    executor, manager = sides(tasks)
    manager[0] = manager[0]._replace(executor_task=1)
    assert join_tasks(executor, manager) == (
        [],
        ["manager's task 1 (work) and executor task 1, which its files name: the one is other, the other work"],
    )


def test_two_tasks_of_one() -> None:
    executor, manager = sides(made(4))
    twice = [one._replace(manager_task=2) if one.number in (1, 3) else one for one in executor]
    assert join_tasks(twice, manager) == ([], ["manager's task 2 (work): parsl.log says 1 and 3"])
    both = [other._replace(executor_task=1) if other.number in (2, 4) else other for other in manager]
    assert join_tasks(executor, both) == (
        [],
        [f"manager's task {n} (work): executor task 1 is said to be another task, too" for n in (2, 4)],
    )


def test_files_of_a_task_that_the_log_lacks() -> None:
    """parsl.log was cut: what its tasks are is known, so they are no other tasks."""
    executor, manager = sides(made(6))
    manager = [other._replace(executor_task=other.number - 1) for other in manager]
    manager[0] = manager[0]._replace(executor_task=None)
    assert numbers(pairs(executor[:4], manager)) == {1: 0, 2: 1, 3: 2, 4: 3}
    # Nor is executor task 0 the last one, which is all that has no place.
    manager[0] = manager[0]._replace(executor_task=0)
    executor.insert(0, executor[0]._replace(number=-1, span=1))
    assert numbers(pairs(executor[:4], manager)) == {1: 0, 2: 1, 3: 2}


@pytest.mark.parametrize("executor_count", [0, 3])
@pytest.mark.parametrize("manager_count", [0, 3])
def test_one_side_is_missing(executor_count: int, manager_count: int) -> None:
    executor, manager = sides(made(3))
    found = pairs(executor[:executor_count], manager[:manager_count])
    assert len(found) == min(executor_count, manager_count)


# Whatever is left out of one side, what is joined is right.


class Case(NamedTuple):
    """Tasks as they were, and what is known of them."""

    tasks: list[Made]
    executor: list[ExecutorTask]
    manager: list[ManagerTask]


@st.composite
def cases(draw: st.DrawFn, *, complete: bool) -> Case:
    """Draw tasks that came to the manager in order, ran for any time, and of which less than all is known."""
    count = draw(st.integers(1, 12))
    seconds = st.floats(0, 20).map(lambda value: round(value, 3))
    failed = set() if complete else draw(st.sets(st.integers(0, count - 1)))
    created = waiting = 0.0
    tasks, executor, manager, last = [], [], [], 0
    for number in range(count):
        app = draw(st.sampled_from("abc"))
        created += draw(seconds)
        waiting = max(waiting, created) + draw(seconds)
        running = waiting + draw(seconds)
        retrieval = running + draw(seconds)
        done = retrieval + draw(seconds)
        last += number not in failed
        task = Made(number, None if number in failed else last, app)
        tasks.append(task)
        knows = draw(st.tuples(*[st.booleans()] * 8))
        known: list[Any] = [value if is_known else None for value, is_known in zip(
            (app, created, running + 0.001, done + draw(seconds), waiting, running, retrieval, done), knows, strict=True
        )]  # fmt: skip
        logged, named = draw(st.sampled_from([(False, False), (False, False), (True, False), (False, True)]))
        came = task.manager if logged else None
        executor.append(ExecutorTask(number, number, came, *known[:4]))
        if task.manager is not None:
            manager.append(ManagerTask(task.manager, 0, number if named else None, app, *known[4:]))
    if not complete and draw(st.booleans()) and not failed:
        # Or the executor's log is cut, at either end.
        begin, end = sorted(draw(st.tuples(st.integers(0, count), st.integers(0, count))))
        executor = executor[begin:end]
    return Case(tasks, executor, manager)


@settings(max_examples=600, deadline=None)
@given(cases(complete=False))
def test_no_join_is_wrong_whatever_one_side_lacks(case: Case) -> None:
    found = pairs(case.executor, case.manager)
    assert numbers(found).items() <= truth(case.tasks).items()
    here = {one.number for one in case.executor}
    sure = {other.number for other in case.manager if other.executor_task in here}
    sure |= {one.manager_task for one in case.executor if one.manager_task is not None}
    assert found.keys() >= sure
    assert {number for number, (_executor, note) in found.items() if note is None or "files" in note} == sure


@settings(max_examples=200, deadline=None)
@given(cases(complete=True))
def test_all_are_joined_where_none_is_missing(case: Case) -> None:
    assert numbers(pairs(case.executor, case.manager)) == truth(case.tasks)
