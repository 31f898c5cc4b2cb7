"""What table.py prints of small results.

python3 -m unittest discover benches/evidence
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).with_name("table.py")


def method(name, mean, vs_kd=None, vs_ce=None):
    accuracy = {"mean": mean, "std": 0.01, "per_seed": [mean - 0.01, mean + 0.01]}
    return {"name": name, "test_accuracy": accuracy, "vs_kd": vs_kd, "vs_ce": vs_ce, "vs_lr": None}


def paired(mean, low, high):
    return {"mean": mean, "interval": [low, high]}


FOREST = {
    "teacher": {"test_accuracy": 0.975, "train_accuracy": 0.9817},
    "methods": [
        method("ce", 0.905, paired(-0.015, -0.02, -0.01), paired(0, 0, 0)),
        method("kd", 0.92, paired(0, 0, 0), paired(0.015, 0.01, 0.02)),
        method("lr", 0.924, paired(0.004, -0.001, 0.009), paired(0.019, 0.01, 0.028)),
    ],
}


class Printed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name, content):
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(file)

    def call(self, *arguments):
        command = [sys.executable, "-B", str(SCRIPT), *arguments]
        environment = {**os.environ, "PYTHONUTF8": "1"}
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment)

    def table(self, *arguments):
        result = self.call(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.splitlines()

    def refused(self, *arguments):
        result = self.call(*arguments)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        return result.stderr

    def test_a_row_per_teacher_and_a_column_of_differences(self):
        lines = self.table(self.file("forest.json", FOREST))
        self.assertEqual(
            lines,
            [
                "Means over 2 seeds.",
                "",
                "| comparison | teacher test % | accuracy on training rows % "
                "| `ce` | `kd` | `lr` |",
                "|---|---|---|---|---|---|",
                "| forest | 97.5 | 98.2 | 90.5 | 92.0 | 92.4 |",
                "",
                "Gain over `kd` in test accuracy, in points [95 % CI]:",
                "",
                "| method | forest |",
                "|---|---|",
                "| `ce` | **-1.5 [-2.0, -1.0]** |",
                "| `lr` | +0.4 [-0.1, +0.9] |",
            ],
        )

    def test_another_baseline(self):
        lines = self.table("--against", "ce", self.file("forest.json", FOREST))
        self.assertEqual(
            lines[-2:], ["| `kd` | **+1.5 [+1.0, +2.0]** |", "| `lr` | **+1.9 [+1.0, +2.8]** |"]
        )

    def test_an_interval_that_ends_at_zero_holds_it(self):
        ends = {"methods": [method("ce", 0.9, paired(0.01, 0.0, 0.02))]}
        self.assertEqual(
            self.table(self.file("ends.json", ends))[-1], "| `ce` | +1.0 [+0.0, +2.0] |"
        )

    def test_what_a_file_does_not_have_is_a_dash(self):
        alone = {"methods": [method("dkd", 0.9, {"mean": 0.01, "interval": None})]}
        lines = self.table(self.file("forest.json", FOREST), self.file("alone.json", alone))
        self.assertIn("| alone | – | – | – | – | – |", lines)
        self.assertEqual(lines[-3:], [
            "| `ce` | **-1.5 [-2.0, -1.0]** | – |",
            "| `lr` | +0.4 [-0.1, +0.9] | – |",
            "| `dkd` | – | +1.0 |",
        ])  # fmt: skip

    def test_other_files_are_refused_by_name(self):
        self.assertIn("broken.json` is not JSON", self.refused(self.file("broken.json", "{")))
        for content in ([FOREST], {"methods": 3}, {"methods": []}, {}):
            self.assertIn(
                "other.json` is not what one", self.refused(self.file("other.json", content))
            )
        self.assertIn("absent.json", self.refused(str(self.folder / "absent.json")))

    def test_columns_have_names_of_their_own(self):
        twice = [self.file("a/forest.json", FOREST), self.file("b/forest.json", FOREST)]
        self.assertIn("two files are called alike", self.refused(*twice))


if __name__ == "__main__":
    unittest.main()
