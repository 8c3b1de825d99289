"""From a name to a pipeline's class."""

import subprocess
import sys

import pytest

from framerill import _target, discovery, pipelines
from framerill.errors import TargetError

ONE = '''
"""One pipeline, a base it shares, and one that it imports."""
from framerill import Pipeline
from framerill import Pipeline as Other
from beside import Imported

class _Base(Pipeline):
    def process(self, frame):
        return frame

class Abstract(Pipeline):
    """Cannot run."""

class Mine(_Base):
    """It is mine.

    And more.
    """
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    (tmp_path / "one_pipeline.py").write_text(ONE)
    (tmp_path / "beside.py").write_text(
        "from framerill import Pipeline\nclass Imported(Pipeline):\n  def process(self, frame): return frame\n"
    )
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def failure(target):
    with pytest.raises(TargetError) as caught:
        _target.find(target)
    return caught.value


def test_a_file_means_the_one_pipeline_that_it_defines(folder):
    found = _target.find(str(folder / "one_pipeline.py"))
    assert (found.pipeline.__name__, found.origin) == ("Mine", "file")
    description = pipelines.describe(str(folder / "one_pipeline.py"))
    assert (description["name"], description["summary"]) == ("mine", "It is mine.")
    assert _target.find(str(folder / "one_pipeline.py")).pipeline is found.pipeline


def test_a_file_with_several_asks_which(folder):
    error = failure(str(folder.joinpath("one_pipeline.py").parent / "several.py"))
    assert (error.code, "did you mean" in (error.hint or "")) == ("unknown_pipeline", False)
    text = ONE + "class Second(_Base):\n    pass\n"
    (folder / "several.py").write_text(text)
    error = failure(str(folder / "several.py"))
    assert error.code == "unknown_pipeline"
    assert error.hint == f"name one: {folder}/several.py:Mine, {folder}/several.py:Second"
    assert _target.find(f"{folder}/several.py:Second").pipeline.__name__ == "Second"
    error = failure(f"{folder}/several.py:Secnod")
    assert error.hint == "did you mean `Second`? there are: Mine, Second"


def test_a_file_that_is_not_there_names_its_neighbour(folder):
    assert failure(str(folder / "one_pipline.py")).hint.startswith("did you mean `one_pipeline.py`?")


def test_a_module_is_imported_by_its_name(folder):
    sys.path.insert(0, str(folder))
    assert _target.find("one_pipeline:Mine").origin == "module one_pipeline"
    assert failure("one_pipelin:Mine").code == "unknown_pipeline"
    error = failure("one_pipeline:Pipelin")
    assert error.code == "unknown_pipeline"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_thing.part", f"install what it needs: {sys.executable} -m pip install no_such_thing"),
        ("1 / 0", None),
        ("raise SystemExit(3)", None),
        ("def (", None),
    ],
)
def test_a_module_that_fails_shows_its_traceback(folder, text, said):
    path = folder / "broken.py"
    path.write_text(text)
    error = failure(str(path))
    assert error.code == "import_failed"
    assert "broken.py" in error.traceback
    assert said is None or said in error.hint
    path.write_text(ONE)
    assert _target.find(str(path)).pipeline.__name__ == "Mine"


def test_what_an_installed_pipeline_lacks_belongs_into_its_dependencies(folder, monkeypatch):
    (folder / "being-made").touch()
    monkeypatch.setattr(sys, "prefix", str(folder))
    (folder / "broken.py").write_text("import no_such_thing.part")
    hint = "add `no_such_thing` to the `dependencies` of its pyproject.toml and install it again"
    assert failure(str(folder / "broken.py")).hint == hint


@pytest.mark.parametrize("ending", ["sys.exit(3)", "sys.exit(0)", "sys.exit()", "raise GeneratorExit", "1 / 0"])
@pytest.mark.parametrize("form", ["def", "async def"])
def test_preparing_that_exits_or_raises_ends_with_1_and_a_traceback(tmp_path, form, ending):
    path = tmp_path / "exits.py"
    path.write_text(
        f"import sys\n{ONE.replace('from beside import Imported', '')}\n"
        f"    @classmethod\n    {form} prepare_models(cls):\n        {ending}\n"
    )
    command = [sys.executable, "-m", "framerill.pipelines", "prepare", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f'File "{path}"' in done.stderr
    assert ending in done.stderr


def test_a_folder_means_the_pipeline_in_it(folder):
    one = ONE.replace("from beside import Imported\n", "")
    plain, package = folder / "plain", folder / "a_package"
    plain.mkdir()
    package.mkdir()
    (plain / "pipeline.py").write_text(one)
    assert _target.find(str(plain)).pipeline.__name__ == "Mine"
    (package / "__init__.py").write_text(one.replace("Mine", "Whole"))
    found = _target.find(f"{package}/")
    assert (found.pipeline.__name__, found.pipeline.__module__, found.origin) == ("Whole", "a_package", "folder")
    (package / "pipeline.py").write_text("from . import _Base\nclass Part(_Base): pass\nclass Other(_Base): pass\n")
    found = _target.find(f"{package}:Part")
    assert (found.pipeline.__name__, found.pipeline.__module__) == ("Part", "a_package.pipeline")
    assert failure(str(package)).hint == f"name one: {package}:Part, {package}:Other"
    assert "name the package's folder" in failure(f"{package}/pipeline.py").hint


@pytest.mark.parametrize("name", ["empty", "not_there"])
def test_a_folder_without_a_pipeline_says_where_it_would_be(folder, name):
    (folder / "empty").mkdir()
    error = failure(str(folder / name))
    assert (error.code, "`pipeline.py`" in error.hint) == ("unknown_pipeline", True)


def test_what_is_no_pipeline_is_refused(folder):
    (folder / "other.py").write_text("class Thing: pass")
    assert "no framerill.Pipeline" in str(failure(f"{folder}/other.py:Thing"))
    assert "defines no pipeline" in str(failure(f"{folder}/other.py"))


def test_a_compatible_class_may_name_its_pipeline(folder):
    (folder / "adapted.py").write_text(
        "from beside import Imported\n"
        "class Foreign:\n    @classmethod\n    def __framerill_pipeline__(cls, name): return Imported\n"
    )
    assert _target.find(f"{folder}/adapted.py:Foreign").pipeline.__name__ == "Imported"


@pytest.fixture
def installed(folder, monkeypatch):
    """A distribution with entry points, as pip leaves it behind."""
    info = folder / "plates_pack-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plates-pack\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[ai_runner.pipelines]\nmine = one_pipeline:Mine\ngone = not_installed_anywhere.x:Y\nodd = one pipeline\n"
        "[ai_runner.pipeline]\nmine = one_pipeline:Mine\nolder = one_pipeline:Mine\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_an_entry_point_is_found_in_both_groups(installed):
    found = _target.find("mine")
    assert (found.pipeline.__name__, found.origin, found.name) == ("Mine", "package plates-pack 1.2", "mine")
    assert _target.find("older").pipeline is found.pipeline
    assert pipelines.describe("older")["name"] == "older"


def test_a_variant_without_an_entry_point_is_its_base_and_knows_its_name(installed):
    (installed / "told.py").write_text(
        "from beside import Imported\n"
        "class Told:\n    @classmethod\n"
        "    def __framerill_pipeline__(cls, name): return type('Told', (Imported,), {'told': name})\n"
    )
    entries = installed / "plates_pack-1.2.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text() + "told = told:Told\ntold-twice = told:Told\n")
    assert [_target.find(name).pipeline.told for name in ("told", "told-fast-xl", "told-twice")] == [
        "told", "told-fast-xl", "told-twice"
    ]  # fmt: skip
    assert _target.find("told-fast-xl").name == "told-fast-xl"
    assert failure("tol-d").code == "unknown_pipeline"


def test_of_two_packages_with_one_name_the_first_counts_and_the_other_is_told(installed, caplog):
    entries = installed / "plates_pack-1.2.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text().replace("older = one_pipeline:Mine", "mine = other:Thing"))
    assert _target.find("mine").pipeline.__name__ == "Mine"
    assert "one_pipeline:Mine counts, other:Thing does not" in caplog.text


def spec(**fields):
    import json

    return json.dumps(fields)


def test_a_specification_brings_its_name_its_parameters_and_its_range(folder):
    sys.path.insert(0, str(folder))
    (folder / "its_params.py").write_text("import framerill\nclass P(framerill.Params):\n    level: int = 3\n")
    text = spec(pipeline_cls="one_pipeline:Mine", params_cls="its_params:P", name="shown", tensor_range=[0, 1])
    found = _target.find(text)
    assert (found.name, found.target, found.pipeline.tensor_range) == ("shown", text, (0, 1))
    description = pipelines.describe(text)
    assert (description["name"], description["defaults"]) == ("shown", {"level": 3})
    assert description["summary"] == "It is mine."
    (folder / "named.py").write_text(ONE.replace("class Mine", "class MinePipeline"))
    assert _target.find(spec(pipeline_cls="named:MinePipeline")).name == "mine"
    assert _target.find("one_pipeline:Mine").pipeline.tensor_range == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is no JSON"),
        ("{}", "`pipeline_cls` is a text"),
        (spec(pipeline_cls="one_pipeline"), "`pipeline_cls` is module:Class, not `one_pipeline`"),
        (spec(pipeline_cls="one_pipeline:Mine", params_cls="x"), "`params_cls` is module:Class"),
        (spec(pipeline_cls="one_pipeline:Mine", params_cls="beside:None_"), "nothing called `None_`"),
        (spec(pipeline_cls="one_pipeline:Mine", tensor_range=3), "`tensor_range`"),
        (spec(pipeline_cls="one_pipeline:Mine", name=3), "`name` is a text"),
    ],
)
def test_a_specification_that_cannot_be_used_says_why(folder, text, said):
    sys.path.insert(0, str(folder))
    assert said in str(failure(text))


def test_an_unknown_name_is_answered_with_near_ones(installed):
    error = failure("oldr")
    assert error.code == "unknown_pipeline"
    names = sorted({point.name for point in discovery.entry_points()})
    assert {"gone", "mine", "odd", "older"} <= set(names)
    assert str(error) == f"Unknown pipeline: oldr. Available pipelines: {', '.join(names)}"
    assert error.hint.startswith("did you mean `older`? install its package into this Python")


def test_the_list_names_broken_ones_and_imports_none(installed):
    known = set(sys.modules)
    rows = {row["name"]: row for row in pipelines.installed() if row["distribution"] == "plates-pack"}
    assert list(rows) == ["gone", "mine", "odd", "older"]
    assert rows["mine"] == {
        "name": "mine", "target": "one_pipeline:Mine", "distribution": "plates-pack", "version": "1.2",
        "group": "ai_runner.pipelines", "editable": False, "summary": None, "error": None,
    }  # fmt: skip
    assert "`not_installed_anywhere` is not installed" in rows["gone"]["error"]
    assert "not of the form module:Class" in rows["odd"]["error"]
    assert "one_pipeline" not in set(sys.modules) - known


def command(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "framerill.pipelines", *args], capture_output=True, text=True, check=False, **options
    )


def test_the_command_prints_json_only_whatever_a_module_prints(folder):
    import json

    path = folder / "chatty.py"
    path.write_text("print('hello')\n" + ONE)
    done = command("describe", str(path))
    assert (done.returncode, json.loads(done.stdout)["name"]) == (0, "mine")
    assert "hello" in done.stderr
    done = command("describe", str(folder / "nothing.py"))
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["code"]) == (1, "unknown_pipeline")
    assert answer["hint"]
    assert isinstance(json.loads(command("list").stdout), list)
    assert command("describe").returncode == 2
