from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from serve_app.serve_config import DEFAULT_CONFIG, ConfigError, load_config, load_settings
from serve_app.settings import Settings

pytestmark = pytest.mark.unit


def _write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted(DEFAULT_CONFIG.parent.glob("*.yaml")), ids=lambda path: path.name)
def test_the_configs_that_ship_are_valid(path: Path) -> None:
    assert load_config(path).applications


def test_host_and_port_replace_the_files(tmp_path: Path) -> None:
    path = _write(tmp_path, "applications: [{import_path: 'a:b'}]")
    assert load_config(path).http_options.port == 8000
    http = load_config(path, host="::1", port=7200).http_options
    assert (http.host, http.port) == ("::1", 7200)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("application: []", "lists no applications"),
        ("applications: []", "lists no applications"),
        ("just words", "lists no applications"),
        ("applications: [", "is not YAML"),
        (
            "aplications: []\napplications: [{import_path: 'a:b'}]",
            "aplications: unknown key (did you mean applications?)",
        ),
        (
            "applications: [{import_path: 'a:b'}]\nhttp_options: {prot: 1}",
            "http_options.prot: unknown key (did you mean port?)",
        ),
        ("applications: [{import_path: 'a:b', zzz: 1}]", "applications[0].zzz: unknown key\n"),
        (
            "applications: [{import_path: 'a:b', deployments: [{name: X}, {name: Y, max_ongoing_request: 3}]}]",
            "applications[0].deployments[1].max_ongoing_request: unknown key (did you mean max_ongoing_requests?)",
        ),
        (
            "applications: [{import_path: 'a:b', deployments: [{name: X, autoscaling_config: {max_replica: 3}}]}]",
            "deployments[0].autoscaling_config.max_replica: unknown key",
        ),
        (
            "applications: [{import_path: 'a:b', deployments: [{name: X, ray_actor_options: {num_cpu: 1}}]}]",
            "deployments[0].ray_actor_options.num_cpu: unknown key (did you mean num_cpus?)",
        ),
        (
            "applications: [{import_path: 'a:b'}]\nhttp_options: {port: many}",
            "http_options.port: Input should be a valid integer",
        ),
    ],
)
def test_a_wrong_config_is_refused_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, text))
    assert problem in f"{caught.value}\n"


@pytest.mark.parametrize(
    "scale", ["num_replicas: 2", "autoscaling_config: {max_replicas: 2}", "{num_replicas: 1, max_surge_percent: 100}"]
)
def test_there_is_one_limiter(tmp_path: Path, scale: str) -> None:
    fields = scale if scale.startswith("{") else "{" + scale + "}"
    path = tmp_path / "config.yaml"
    path.write_text(
        "applications:\n- name: a\n  import_path: m:a\n  deployments:\n  - {name: Limiter, " + fields[1:] + "\n"
    )
    with pytest.raises(ConfigError, match="there must be one replica"):
        load_config(path)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)\bone: .*\btwo: "):
        load_config(_write(tmp_path, "applications: [{import_path: 'a:b'}]\none: 1\ntwo: 2"))


def test_free_form_dictionaries_are_left_alone(tmp_path: Path) -> None:
    free = {
        "import_path": "a:b",
        "args": {"anything": {"at": "all"}},
        "runtime_env": {"env_vars": {"A": "b"}},
        "deployments": [
            {
                "name": "X",
                "user_config": {"anything": 1},
                "ray_actor_options": {"resources": {"rare": 1}, "runtime_env": {"env_vars": {}}},
            }
        ],
    }
    assert load_config(_write(tmp_path, yaml.safe_dump({"applications": [free]}))).applications[0].args


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(DEFAULT_CONFIG.parent.glob("*.yaml")), ids=lambda path: path.name)
def test_the_settings_of_the_configs_that_ship_are_valid(path: Path) -> None:
    assert load_settings(path).profile == path.stem


def test_settings_are_the_args_of_the_first_application(tmp_path: Path) -> None:
    assert load_settings(_write(tmp_path, "applications: [{args: {profile: p}}, {args: {profile: q}}]")).profile == "p"
    assert load_settings(_write(tmp_path, "applications: [{import_path: 'a:b'}]")) == Settings()
    assert load_settings(_write(tmp_path, "applications: [{args: null}]")) == Settings()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("applications: [3]", "applications: not a list of mappings"),
        ("applications: {args: {}}", "applications: not a list of mappings"),
        ("applications: [{args: {storage: {database_url: [hunter2]}}}]", "[0].args.storage.database_url: Input should"),
        ("applications: [{args: {acess: {}}}]", "applications[0].args.acess: Extra inputs are not permitted"),
        (
            "applications: [{args: {recognizers: {tiny: {}, Tiny: {}}}}]",
            "applications[0].args: Value error, two of recognizers would be the same deployment",
        ),
    ],
)
def test_wrong_settings_are_errors_that_do_not_repeat_the_value(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(_write(tmp_path, text))
    assert problem in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None
