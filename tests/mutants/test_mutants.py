"""What scripts/mutants refuses, chooses and writes down, on small trees; cargo is a stand-in.

python3 -m unittest tests/mutants/test_mutants.py
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from unittest import mock

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/mutants"


def load():
    """The script as a module, although its name has no ending. Nothing is written beside it."""
    loader = SourceFileLoader("mutants", str(SCRIPT))
    module = module_from_spec(spec_from_loader("mutants", loader))
    sys.modules["mutants"] = module
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


mutants = load()

CODE = "fn sum(a: u32, b: u32) -> u32 {\n    a + b\n}\n"
TREE = {
    "src/lib.rs": "mod sum;\n#[cfg(test)]\nmod parity;\n",
    "src/sum.rs": CODE + "#[cfg(test)]\nmod tests {\n    #[test]\n    fn adds() {}\n}\n",
    "src/parity/mod.rs": "mod deep;\n#[test]\nfn agrees() {}\n",
    "src/parity/deep.rs": "#[test]\nfn agrees_too() {}\n",
    "tests/engine/main.rs": '#[path = "../support/mod.rs"]\nmod support;\nmod laws;\nmod cpu;\n',
    "tests/engine/cpu.rs": "use super::laws::suite;\nsuite!(wide, u32);\n#[test]\nfn alone() {}\n",
    "tests/engine/laws/mod.rs": "mod cuda;\nmacro_rules! suite { () => { fn holds() {} } }\n",
    "tests/engine/laws/cuda.rs": "suite!(wide, u32);\nsuite! { narrow, u8 }\n",
    "tests/support/mod.rs": "",
    "tests/simt/tests/kernels.rs": "#[test]\nfn ordered() {}\n",
    "tests/simt/driver.cpp": "",
    "tests/simt/Cargo.lock": "",
    "tests/simt/target/built": "",
}
SUM = dict(
    name="sum-sign",
    why="A sum is a difference.",
    file="src/sum.rs",
    find="a + b",
    replace="a - b",
    test="lib sum::tests::adds",
)


def toml(entries, features='["train"]'):
    lines = [f"features = {features}"]
    for entry in entries:
        lines.append("[[defect]]")
        lines += [f"{key} = '''\n{value}'''" for key, value in entry.items()]
    return "\n".join(lines) + "\n"


class Case(unittest.TestCase):
    """A tree of its own for each test."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for file, text in TREE.items():
            self.write(file, text)
        self.plant(SUM)

    def write(self, file, text):
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text(text)

    def plant(self, *entries):
        self.write("tests/mutants/all.toml", toml(entries))

    def call(self, *arguments):
        """The exit status, and what was printed."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = mutants.main([*arguments, "--root", str(self.root)])
        return status, printed.getvalue()

    def assert_refused(self, sentence):
        status, printed = self.call("--check")
        self.assertIn(sentence + "\n", printed)
        self.assertEqual(status, 1)

    def assert_held(self):
        self.assertEqual(self.call("--check")[0], 0, self.call("--check")[1])

    def catch(self):
        """Notes all entries as caught, as a run does."""
        tree, (defects, _) = mutants.Tree(self.root), mutants.read_defects(self.root)
        prints = {name: mutants.fingerprint(tree, defect) for name, defect in defects.items()}
        catches = {name: mutants.Catch(value, 7) for name, value in prints.items()}
        mutants.rewrite_ledger(self.root, defects, catches)

    def uncovered(self):
        lines = self.call("--list")[1].splitlines()
        return [line.split()[0] for line in lines if line.endswith("not in the ledger")]

    def ledger(self):
        return (self.root / mutants.LEDGER).read_text()


class Entries(Case):
    def test_a_good_one_is_held(self):
        status, printed = self.call("--check")
        self.assertEqual((status, printed[:17]), (0, "1 planted defects"))

    def test_a_stale_one(self):
        self.write("src/sum.rs", TREE["src/sum.rs"].replace("a + b", "b + a"))
        self.assert_refused(
            "tests/mutants, sum-sign: its `find` is not in src/sum.rs: adapt the entry to the code"
        )

    def test_an_ambiguous_one(self):
        self.write("src/sum.rs", TREE["src/sum.rs"] + CODE)
        self.assert_refused(
            "tests/mutants, sum-sign: its `find` is in src/sum.rs 2 times: "
            "extend it until it is there once"
        )

    def test_one_whose_file_has_gone(self):
        self.plant({**SUM, "file": "src/summed.rs"})
        self.assert_refused(
            "tests/mutants, sum-sign: there is no file src/summed.rs: "
            "name the one that has the code now"
        )

    def test_one_that_changes_nothing(self):
        self.plant({**SUM, "replace": "a + b"})
        self.assert_refused(
            "tests/mutants/all.toml, sum-sign: its `replace` is its `find`: "
            "write what the defect is"
        )

    def test_keys(self):
        self.plant({key: SUM[key] for key in SUM if key != "why"})
        self.assert_refused("tests/mutants/all.toml, sum-sign: it has no `why`: add it")
        self.plant({**SUM, "line": "3"})
        self.assert_refused(
            "tests/mutants/all.toml, sum-sign: it has `line`, which means nothing: remove it"
        )
        self.write("tests/mutants/all.toml", "features = 3\n")
        self.assert_refused(
            "tests/mutants/all.toml is not one `features = [...]` and [[defect]]s: correct it"
        )

    def test_names(self):
        self.write("tests/mutants/more.toml", toml([SUM]))
        self.assert_refused(
            "tests/mutants/more.toml, sum-sign: two entries are called so: rename one"
        )
        self.write("tests/mutants/more.toml", toml([{**SUM, "name": "b"}, {**SUM, "name": "a"}]))
        self.assert_refused("tests/mutants/more.toml, a: stands after b: sort the entries by name")

    def test_nothing_runs_before_they_are_well_formed(self):
        self.plant({**SUM, "replace": "a + b"})
        self.assertEqual(self.call("--all")[0], 1)

    def test_one_that_is_unknown(self):
        self.assertEqual(
            self.call("sum-sing"),
            (1, "there is no planted defect sum-sing: see scripts/mutants --list\n"),
        )


class Tests(Case):
    def test_those_that_exist(self):
        for test in [
            "lib sum::tests::adds",
            "lib parity::agrees",
            "lib parity::deep::agrees_too",
            "engine cpu::alone",
            "engine cpu::wide::alone",  # what a macro makes is looked for in all sources
            "engine laws::cuda::wide::holds",
            "engine laws::cuda::narrow::holds",
            "simt kernels::ordered",
        ]:
            with self.subTest(test):
                self.plant({**SUM, "test": test})
                self.assert_held()

    def test_those_that_do_not(self):
        for test, why in {
            "lib sum::tests::subtracts": "src/sum.rs has no test subtracts",
            "lib sums::tests::adds": "src/lib.rs has no module sums",
            "lib sum::sum": "src/sum.rs has no test sum",  # a function, but no test
            "engine laws::cuda::wider::holds": "tests/engine/laws/cuda.rs has no module wider",
            "engine laws::cuda::wide::fails": "tests/engine/laws/cuda.rs has no test fails",
            "parity cpu::alone": "there is no test binary parity, "
            "which would be tests/parity/main.rs",
            "simt kernels::alone": "tests/simt/tests/kernels.rs has no test alone",
            "alone": 'a test is written "TARGET MODULE::NAME"',
        }.items():
            with self.subTest(test):
                self.plant({**SUM, "test": test})
                self.assert_refused(
                    f"tests/mutants, sum-sign: its test `{test}` does not exist, {why}: "
                    "name one that does"
                )


class Ledger(Case):
    def setUp(self):
        super().setUp()
        self.plant({**SUM, "name": "product"}, SUM)
        self.catch()

    def refused_line(self, number):
        self.assert_refused(
            f"tests/mutants/caught.txt, line {number}, was not written by scripts/mutants: "
            "run scripts/mutants --changed, and commit what it writes"
        )

    def test_what_the_script_wrote_is_held(self):
        self.assert_held()
        self.assertEqual(self.uncovered(), [])

    def test_an_edited_line(self):
        self.write(mutants.LEDGER, self.ledger().replace(" 7 ", " 8 ", 1))
        self.refused_line(2)
        self.assertEqual(self.uncovered(), ["product"])

    def test_a_conflict(self):
        self.write(mutants.LEDGER, self.ledger() + "<<<<<<< HEAD\n")
        self.refused_line(4)

    def test_order_and_doubles(self):
        head, *lines = self.ledger().splitlines(keepends=True)
        self.write(mutants.LEDGER, head + lines[1] + lines[0])
        remedy = "run scripts/mutants --changed, and commit what it writes"
        where = "tests/mutants/caught.txt, line"
        self.assert_refused(f"{where} 3: product is not sorted in: {remedy}")
        self.write(mutants.LEDGER, head + lines[0] + lines[0] + lines[1])
        self.assert_refused(f"{where} 3: product is there twice: {remedy}")

    def test_an_entry_that_has_gone(self):
        self.plant(SUM)
        self.assert_refused(
            "tests/mutants/caught.txt: there is no planted defect product: "
            "run scripts/mutants --changed, and commit what it writes"
        )

    def test_too_many_uncovered(self):
        def planted(number):
            self.plant(*({**SUM, "name": f"sum-{i:02}"} for i in range(number)), SUM)
            mutants.rewrite_ledger(self.root, mutants.read_defects(self.root)[0])

        planted(40)
        self.assertIn("41 planted defects, 40 of them not in", self.call("--check")[1])
        planted(41)
        self.assert_refused(
            "41 of 42 planted defects are not in the ledger as they are now, more than the 40 for "
            "which the gate has time: run scripts/mutants --changed and commit "
            "tests/mutants/caught.txt"
        )

    def test_an_edited_entry_is_uncovered(self):
        for key, value in {"why": "Otherwise.", "find": "a + b\n", "replace": "a * b"}.items():
            self.plant({**SUM, "name": "product"}, {**SUM, key: value})
            self.assertEqual(self.uncovered(), ["sum-sign"], key)
        self.write("tests/mutants/all.toml", toml([{**SUM, "name": "product"}, SUM], "[]"))
        self.assertEqual(self.uncovered(), ["product", "sum-sign"])

    def test_an_edited_file_is_uncovered(self):
        self.plant({**SUM, "file": "src/other.rs", "test": "lib parity::agrees"})
        self.write("src/other.rs", CODE)
        self.catch()
        self.assertEqual(self.uncovered(), [])
        self.write("src/other.rs", CODE + "\n")
        self.assertEqual(self.uncovered(), ["sum-sign"])

    def test_an_edited_test_is_uncovered(self):
        for test, its_own, others in [
            ("lib parity::agrees", "src/parity/deep.rs", "src/lib.rs"),
            ("engine laws::cuda::wide::holds", "tests/engine/laws/mod.rs", "tests/engine/cpu.rs"),
            ("engine cpu::alone", "tests/support/mod.rs", "tests/engine/laws/cuda.rs"),
            ("simt kernels::ordered", "tests/simt/driver.cpp", "tests/simt/Cargo.lock"),
            ("simt kernels::ordered", "tests/simt/tests/kernels.rs", "tests/simt/target/built"),
        ]:
            with self.subTest(test):
                self.plant({**SUM, "test": test})
                self.catch()
                self.write(others, TREE[others] + "\n// edited\n")
                self.assertEqual(self.uncovered(), [])
                self.write(its_own, TREE[its_own] + "\n// edited\n")
                self.assertEqual(self.uncovered(), ["sum-sign"])


class Choice(unittest.TestCase):
    names = [f"defect-{i}" for i in range(50)]

    def chosen(self, commit, *arguments):
        covered = set(self.names[10:])
        options = mutants.parse(arguments)
        return mutants.chosen(options, dict.fromkeys(self.names), covered, commit)[0]

    def test_uncovered_ones_and_sixteen_more(self):
        some = self.chosen("a")
        self.assertEqual(len(some), 26)
        self.assertEqual(len(set(some)), 26)
        self.assertLessEqual(set(self.names[:10]), set(some))

    def test_a_commit_draws_the_same_ones(self):
        self.assertEqual(set(self.chosen("a")), set(self.chosen("a")))
        self.assertNotEqual(set(self.chosen("a")), set(self.chosen("b")))
        drawn = mutants.drawn(self.names, 3, "0" * 40)
        self.assertEqual(drawn, mutants.drawn(self.names[::-1], 3, "0" * 40))
        self.assertEqual(drawn, ["defect-32", "defect-33", "defect-25"])

    def test_as_many_as_asked_for(self):
        self.assertEqual(len(self.chosen("a", "--draw", "3")), 13)
        self.assertEqual(set(self.chosen("a", "--draw", "99")), set(self.names))
        self.assertEqual(set(self.chosen("a", "--changed")), set(self.names[:10]))
        self.assertEqual(self.chosen("a", "--all"), self.names)


# Takes the place of cargo: the test fails where there is a difference, does not compile where there
# is a product, does not end as tests do where there is a quotient, and has a compiler of its own refuse
# a remainder.
CARGO = """#!/bin/sh
echo "$CARGO_TARGET_DIR $*" >>"$CALLS"
case "$*" in
  *--no-run*) ! grep -q 'a \\* b' src/sum.rs ;;
  *) ! grep -q 'a / b' src/sum.rs || exit 101
     ! grep -q 'a % b' src/sum.rs || echo 'row.cuh:7:3: error: no member named chunk'
     ! grep -q 'a [-%] b' src/sum.rs || { echo 'test result: FAILED. 0 passed; 1 failed'; exit 101; }
     echo "test result: ok. ${PASSED:-1} passed" ;;
esac
"""


class Run(Case):
    def setUp(self):
        super().setUp()
        self.write("bin/cargo", CARGO)
        (self.root / "bin/cargo").chmod(0o755)
        self.write(".gitignore", "/bin/\n/calls\n")
        commit = "git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a"
        subprocess.run(commit, shell=True, cwd=self.root, check=True)
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        calls = str(self.root / "calls")
        environment = {"PATH": path, "CALLS": calls, "CARGO_TARGET_DIR": "target"}
        patched = mock.patch.dict(os.environ, environment)
        patched.start()
        self.addCleanup(patched.stop)

    def verdicts(self, *arguments):
        status, printed = self.call(*arguments)
        lines = [line.split() for line in printed.splitlines() if " s  " in line]
        return status, {line[0]: line[5].strip(":") for line in lines}, printed

    def test_a_caught_one_is_noted(self):
        status, verdicts, printed = self.verdicts()
        self.assertEqual((status, verdicts), (0, {"sum-sign": "caught"}))
        self.assertIn("1 planted defects (1 not in the ledger, 0 drawn by commit ", printed)
        self.assertIn("1 planted defects, 0 not caught, ", printed)
        self.assertEqual(self.uncovered(), [])
        self.assertIn("a + b", (self.root / "src/sum.rs").read_text())
        self.assertEqual(self.verdicts("--changed")[:2], (0, {}))

    def test_a_line_stays_as_it_is_where_only_the_time_differs(self):
        self.catch()
        ledger = self.ledger()
        self.assertEqual(self.verdicts()[:2], (0, {"sum-sign": "caught"}))
        self.assertEqual(self.ledger(), ledger)

    def test_others_are_not(self):
        for replace, verdict in {
            "b + a": "SURVIVED",
            "a * b": "STALE",
            "a % b": "STALE",
            "a / b": "BROKEN",
        }.items():
            with self.subTest(replace):
                self.plant({**SUM, "replace": replace})
                self.catch()
                status, verdicts, printed = self.verdicts("sum-sign")
                self.assertEqual((status, verdicts), (1, {"sum-sign": verdict}))
                self.assertIn("1 planted defects, 1 not caught, ", printed)
                self.assertEqual(self.uncovered(), ["sum-sign"])

    def test_a_find_that_is_not_there(self):
        self.plant({**SUM, "find": "a+b"})
        self.assertEqual(self.verdicts("--all")[:2], (1, {"sum-sign": "STALE"}))

    def test_a_test_that_is_not_run(self):
        with mock.patch.dict(os.environ, PASSED="0"):
            self.assertEqual(self.verdicts("--all")[:2], (1, {"sum-sign": "BROKEN"}))

    def test_broken_ledgers_recover(self):
        self.plant({**SUM, "name": "product"}, SUM)
        self.catch()
        good = self.ledger()
        self.plant(SUM)
        self.write(mutants.LEDGER, "<<<<<<< HEAD\n" + good.replace("sum-sign ", "sum-sign  "))
        self.assertEqual(self.verdicts("--changed")[:2], (0, {"sum-sign": "caught"}))
        self.assert_held()
        self.assertNotIn("product", self.ledger())

    def test_copies_are_files_of_now(self):
        old = self.root / "src/sum.rs"
        os.utime(old, (1, 1))
        with tempfile.TemporaryDirectory() as copy:
            mutants.copy_tree(self.root, Path(copy))
            self.assertGreater((Path(copy) / "src/sum.rs").stat().st_mtime, 1)
            self.assertFalse((Path(copy) / "bin").exists())  # ignored

    def test_an_end_from_outside(self):
        self.write("bin/cargo", "#!/bin/sh\necho $$ >$CALLS\nexec sleep 60\n")
        self.write("bin/copies/none", "")
        environment = {**os.environ, "TMPDIR": str(self.root / "bin/copies")}
        command = [sys.executable, str(SCRIPT), "--all", "--root", str(self.root)]
        run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        calls, patience = self.root / "calls", time.monotonic() + 20
        while not calls.exists() or not calls.read_text():
            self.assertLess(time.monotonic(), patience)
            time.sleep(0.01)
        run.terminate()
        self.assertEqual(run.wait(20), 130)
        self.assertEqual(os.listdir(self.root / "bin/copies"), ["none"])
        with self.assertRaises(ProcessLookupError):
            os.kill(int(calls.read_text()), 0)

    def test_how_cargo_is_called(self):
        gpu = toml([{**SUM, "name": "gpu", "test": "engine cpu::alone"}], '["wgpu", "train"]')
        self.write("tests/mutants/gpu.toml", gpu)
        self.plant(SUM, {**SUM, "name": "threads", "test": "simt kernels::ordered"})
        self.assertEqual(self.verdicts("--all")[0], 0)
        target, calls = (
            self.root.resolve() / "target",
            (self.root / "calls").read_text().splitlines(),
        )
        common = "test --locked --quiet"
        usual = "--no-default-features --features rayon"
        for call in [
            f"{target}/mutants {common} {usual},train --lib -- --exact sum::tests::adds",
            f"{target}/lane/mutants {common} {usual},wgpu,train --test engine "
            "-- --exact cpu::alone",
            f"{target}/mutants/simt {common} --manifest-path tests/simt/Cargo.toml --test kernels "
            "-- --exact ordered",
        ]:
            self.assertEqual(calls.count(call), 2, call)  # without the defect, and with it
            self.assertIn(call.replace("--quiet", "--quiet --no-run"), calls)
        self.assertEqual(len(calls), 9)


if __name__ == "__main__":
    unittest.main()
