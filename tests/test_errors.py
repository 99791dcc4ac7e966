"""Errors: what was given is named, however long it is."""

from msa_core.config import MediaLimits
from msa_core.errors import MediaError, MsaError, fault, message, shortened
from msa_core.page import api_arguments


def test_a_name_of_any_length_is_cut() -> None:
    long = "a" * 100_000
    for text in (
        str(MediaError("There is no file {name}. Check its path.", name=long)),
        str(MsaError(f"No checkpoint {long!r}. Give another.")),
        str(message("{name} is {inner}", name=long, inner=message("not {what}", what=long))),
    ):
        assert len(text) < 4500 and "[...]" in text
    assert str(MsaError(f"No checkpoint {long!r}. Give another.")).endswith("Give another.")
    assert shortened("short", 10) == "short"


def test_an_argument_of_any_length_is_cut() -> None:
    try:
        api_arguments.check(["sdumc"], method="m" * 100_000)
    except MsaError as e:
        assert len(str(e)) < 4500 and str(e).endswith("choose from: sdumc.")


def test_a_sentence_keeps_its_template() -> None:
    inner = message("{n:.0f} MB", n=MediaLimits().max_bytes / 2**20)
    assert MediaError("{name} has {size}", name="a", size=inner).message.values["size"] is inner  # type: ignore[attr-defined]


def test_a_fault_is_told_from_an_expected_error() -> None:
    assert fault(MediaError("a is empty.")) == "a is empty."
    assert fault(KeyError("x")) == "a fault of the program (KeyError: 'x')"
