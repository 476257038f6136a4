"""How letters are shown."""

from strop import deadletters


def test_json_is_shown_on_lines_of_its_own_and_in_its_own_letters() -> None:
    assert deadletters.pretty('{"label": "Dose ü"}') == '{\n  "label": "Dose ü"\n}'


def test_the_payload_of_a_device_is_shown_in_the_same_way() -> None:
    assert '"seen": 1' in deadletters.pretty('{"topic": "t", "payload": "{\\"seen\\":1}"}')
    assert '"payload": "no JSON"' in deadletters.pretty('{"topic": "t", "payload": "no JSON"}')
    assert '"base64": "AA=="' in deadletters.pretty('{"topic": "t", "base64": "AA=="}')


def test_what_is_no_json_is_shown_as_it_is() -> None:
    assert deadletters.pretty("no JSON") == "no JSON"
    assert deadletters.pretty("[" * 100_000) == "[" * 100_000


def test_half_a_character_does_not_keep_the_others_from_being_shown() -> None:
    assert '"a": "?b"' in deadletters.pretty('{"topic": "t", "payload": "{\\"a\\":\\"\\\\ud800b\\"}"}')
