"""The plan of a large run from measured rates, worked by hand, and the command that writes it."""

import json

from paths import ROOT

from msa_core.__main__ import main
from msa_core.cli.many import plan, scale

MEASURED = {
    "machine": "2 cores (x86_64), load 0.1 at the start, 1 rounds",
    "clip_s": 10.0,
    "clip_bytes": 500_000,
    "rows": [
        {"work": work, "way": way, "workers": n, "clips_per_s": rate * n, "memory_bytes": 1e9, "processor_s": 3.0}
        | ({"features_bytes": 250_000} if work == "extract" else {})
        for work, rate in (("extract", 0.25), ("analyse", 20.0))
        for way in ("processes", "Ray")
        for n in (1, 2)
    ],
    "efficiency": [{"work": "extract", "way": "processes", "clock": 0.95, "processor": 0.97}],
}


def test_the_plan_of_a_million_clips_worked_by_hand():
    """At .25 clips/s, ten machines of 32 cores extract a million in 12,500 s = 3.47 h and score them in 156 s."""
    text = plan.plan(MEASURED, 1_000_000, 32, None)
    assert "1,000,000 clips of 10 s (2,778 h of video, 0.5 TB), machines of 32 cores" in text
    assert "features 0.25 TB" in text
    ten = next(line for line in text.splitlines() if line.startswith("| 10 |"))
    assert ten == "| 10 | 3.47 h | 0.0434 h | 35.2 | 35.2 × price | 40 MB/s | 32 GB |"
    assert "| 1 | 34.7 h | 0.434 h | 35.2 |" in text
    assert "| 10 | 3.47 h | 0.0434 h | 35.2 | 70 |" in plan.plan(MEASURED, 1_000_000, 32, 2.0)
    assert "| 1 | 14.5 days |" in plan.plan(MEASURED, 10_000_000, 32, None)


def test_rates_are_tabled_by_worker():
    text = plan.rates(MEASURED)
    assert "| extract | processes | 2 | 0.5 | 2.5 | 3 | 1.00 GB | 0.25 MB |" in text
    assert "| analyse | Ray | 1 | 20 | 200 | 3 | 1.00 GB | - |" in text
    assert "| extract | processes | 0.95 | 0.97 |" in text and "load 0.1 at the start" in text


def test_the_command_plans_from_an_earlier_measurement(tmp_path, capsys):
    (tmp_path / "rates.json").write_text(json.dumps(MEASURED))
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- scale-{name}:begin -->\n<!-- scale-{name}:end -->\n" for name in ("rates", "plan")))
    given = ["scale", "--measured", str(tmp_path / "rates.json"), "--plan", "1000", "--readme", str(page)]
    assert main(given) == 0 and "1,000 clips of 10 s" in capsys.readouterr().out
    assert plan.rates(MEASURED) in page.read_text() and plan.plan(MEASURED, 1000, 32, None) in page.read_text()
    for text, said in (("{", "cannot be read as rates"), ('{"machine": ""}', "holds no 'clip_s'"), ("[]", "holds no")):
        (tmp_path / "rates.json").write_text(text)
        assert main(given) == 2 and said in capsys.readouterr().err


def test_the_page_holds_what_its_measurement_says():
    file, page = ROOT / "docs" / "scale.json", (ROOT / "docs" / "scale.md").read_text()
    found = scale.earlier(file)
    assert plan.rates(found) in page and plan.plan(found, 1_000_000, 32, None) in page
