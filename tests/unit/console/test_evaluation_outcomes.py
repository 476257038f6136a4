import json

from console import evaluation_outcomes


def outcome(label: str, predicted: str, *answers: str, confidence: float = 0.5) -> evaluation_outcomes.Outcome:
    return evaluation_outcomes.Outcome(
        f"{label}-{predicted}-{confidence}", label, predicted, confidence, answers, novel=False
    )


HIT = outcome("rose", "rose", "rose")
MISTAKE = outcome("rose", "tulip", "tulip", confidence=0.9)
SILENT = outcome("rose", "rose", confidence=0.3)
BOTH = outcome("rose", "tulip", "tulip", "rose", confidence=0.6)


def test_an_image_is_a_positive_or_a_negative_for_each_label() -> None:
    assert HIT.kinds("rose") == {"tp"}
    assert HIT.kinds("tulip") == set()
    assert MISTAKE.kinds("rose") == {"fn"}
    assert MISTAKE.kinds("tulip") == {"fp"}
    assert SILENT.kinds("rose") == {"fn"}
    assert BOTH.kinds("rose") == {"tp"}
    assert BOTH.kinds("tulip") == {"fp"}


def test_without_a_label_an_image_is_what_it_is_for_any() -> None:
    assert MISTAKE.kinds() == {"fp", "fn"}
    assert BOTH.kinds() == {"tp", "fp"}


def test_filters_go_together() -> None:
    every = [HIT, MISTAKE, SILENT, BOTH]

    def found(**wanted: str) -> list[evaluation_outcomes.Outcome]:
        return [one for one in every if evaluation_outcomes.Wanted(**wanted).fits(one)]

    assert found() == every
    assert found(label="tulip") == [MISTAKE, BOTH]
    assert found(label="rose", kind="fn") == [MISTAKE, SILENT]
    assert found(label="tulip", kind="fn") == []
    assert found(true="rose", predicted="tulip") == [MISTAKE, BOTH]


def test_mistakes_come_first_and_the_surest_on_top() -> None:
    sure = outcome("rose", "rose", "rose", confidence=0.99)

    assert evaluation_outcomes.order([sure, HIT, SILENT, MISTAKE, BOTH]) == [MISTAKE, BOTH, SILENT, HIT, sure]


def test_kinds_and_mistakes_are_counted() -> None:
    every = [HIT, MISTAKE, SILENT, BOTH]

    assert evaluation_outcomes.tally(every, "rose") == {"tp": 2, "fn": 2}
    assert evaluation_outcomes.tally(every) == {"tp": 2, "fn": 2, "fp": 2}
    assert evaluation_outcomes.mistakes(every) == {"rose": 2, "tulip": 2}


def test_lines_from_before_models_knew_the_unknown_are_read() -> None:
    known = {"sha256": "a", "label": "rose", "predicted": "tulip", "confidence": 0.4, "margin": 0.1}
    lines = "".join(json.dumps({**known, "passed": passed}) + "\n" for passed in (True, False))

    passed, failed = evaluation_outcomes.read(lines.encode())

    assert passed.answers == ("tulip",)
    assert failed.answers == ()
    assert not passed.novel
