"""compose.yaml, read as Docker Compose would: one node, with security on. Nothing here starts Docker."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose.yaml"


@pytest.fixture(scope="module")
def services():
    if not FILE.is_file():
        pytest.skip("compose.yaml is only in a checkout")
    return yaml.safe_load(FILE.read_text())["services"]


@pytest.fixture
def settings(services):
    return services["elasticsearch"]["environment"]


def test_security_is_on_for_users_and_for_both_kinds_of_connection(settings):
    for name in ("security", "security.http.ssl", "security.transport.ssl"):
        assert settings[f"xpack.{name}.enabled"] == "true"
    assert not [name for name in settings if "verification" in name or "anonymous" in name]


def test_the_password_comes_from_the_environment_and_nothing_starts_without_it(services, settings):
    assert re.fullmatch(r"\$\{ELASTICSEARCH_PASSWORD:\?.+\}", settings["ELASTIC_PASSWORD"])
    assert "PASSWORD" not in str({**services, "elasticsearch": {**services["elasticsearch"], "environment": {}}})


def test_only_this_machine_reaches_the_port(services):
    assert services["elasticsearch"]["ports"] == ["127.0.0.1:9200:9200"]


def test_it_is_one_node_of_a_version_that_the_client_speaks(services, settings):
    assert settings["discovery.type"] == "single-node"
    [image] = {service["image"] for service in services.values()}
    assert re.fullmatch(r"docker\.elastic\.co/elasticsearch/elasticsearch:9\.\d+\.\d+", image)


def test_indexes_and_certificates_outlive_the_containers(services):
    declared = yaml.safe_load(FILE.read_text())["volumes"]
    mounts = dict(volume.split(":")[:2] for volume in services["elasticsearch"]["volumes"])
    assert mounts == {"certs": "/usr/share/elasticsearch/config/certs", "data": "/usr/share/elasticsearch/data"}
    assert set(declared) == set(mounts)


def test_the_node_starts_after_its_certificate_is_there_and_is_healthy_once_it_asks_for_credentials(services):
    assert services["elasticsearch"]["depends_on"] == {"certificates": {"condition": "service_completed_successfully"}}
    [kind, command] = services["elasticsearch"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert "--cacert config/certs/ca/ca.crt https://localhost:9200" in command
    assert "missing authentication credentials" in command
    assert "--insecure" not in command


def test_the_certificate_names_what_the_node_is_reached_by_and_its_files_are_those_of_the_settings(
    services, settings, tmp_path
):
    bash = shutil.which("bash")
    if bash is None or shutil.which("unzip") is None:
        pytest.skip("needs bash and unzip")
    made = run_as_the_container_would(services["certificates"]["command"], tmp_path)
    for setting in ("key", "certificate", "certificate_authorities"):
        for layer in ("http", "transport"):
            assert (tmp_path / "config" / settings[f"xpack.security.{layer}.ssl.{setting}"]).is_file()
    assert "--dns localhost,elasticsearch --ip 127.0.0.1" in made
    again = run_as_the_container_would(services["certificates"]["command"], tmp_path)
    assert again == made


def run_as_the_container_would(command, folder):
    """Runs the container's command with a stand-in for `elasticsearch-certutil` that only packs empty files.

    Returns what the stand-in was called with.
    """
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    (folder / "config" / "certs").mkdir(parents=True, exist_ok=True)
    stand_in = tools / "elasticsearch-certutil"
    stand_in.write_text(
        "#!/usr/bin/env python3\n"
        "import sys, zipfile\n"
        'open(sys.argv[0] + ".log", "a").write(" ".join(sys.argv[1:]) + "\\n")\n'
        'name = "ca" if sys.argv[1] == "ca" else "node"\n'
        'with zipfile.ZipFile(sys.argv[sys.argv.index("--out") + 1], "w") as made:\n'
        '    for end in ("crt", "key"):\n'
        '        made.writestr(f"{name}/{name}.{end}", "")\n'
    )
    stand_in.chmod(0o755)
    (tools / "chown").write_text("#!/bin/sh\n")  # a test is not root
    (tools / "chown").chmod(0o755)
    words = [word.replace("$$", "$") for word in command]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": f"{tools}:/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    return (tools / "elasticsearch-certutil.log").read_text().replace(str(folder), "")
