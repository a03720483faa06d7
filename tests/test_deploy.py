"""The container, its companions and the service unit start what there is; built where an engine answers."""

import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from click.testing import CliRunner

from ml.cli.serve import command
from ml.common.paths import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text())
UNIT = (DEPLOY / "tidemark.service").read_text()


def answers(*arguments: str) -> bool:
    """Whether a program is there and ends well."""
    if not shutil.which(arguments[0]):
        return False
    return subprocess.run(arguments, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        yaml.safe_load(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[-1]),
        shlex.split(re.findall(r"^ExecStart=\S+/(churn .*)$", UNIT, re.MULTILINE)[0]),
    ],
)
def test_the_command_that_starts_is_one_that_there_is(words: list[str]) -> None:
    assert words[:2] == ["churn", "serve"]
    ended = CliRunner().invoke(command, [*words[2:], "--help"])
    assert ended.exit_code == 0, ended.output


def test_the_container_runs_without_rights_and_writes_its_volumes_alone() -> None:
    churn = COMPOSE["services"]["churn"]
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001"]
    assert churn["read_only"] is True
    assert churn["cap_drop"] == ["ALL"]
    assert churn["tmpfs"] == ["/tmp"]
    assert churn["volumes"] == ["state:/data"]
    assert re.search(r"CHURN_HOME=/data$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", DOCKERFILE, re.MULTILINE)
    assert "--require-hashes -r requirements.lock" in DOCKERFILE


def test_what_is_published_is_for_this_machine_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8000:8000", "127.0.0.1:9090:9090"]


def test_prometheus_asks_the_server_where_it_listens_with_the_key_that_is_mounted() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    assert job["static_configs"] == [{"targets": [f"churn:{port}"]}]
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["prometheus"]["volumes"]]
    assert job["authorization"]["credentials_file"] in mounted


def test_the_unit_is_one_that_systemd_understands(tmp_path) -> None:
    if not answers("systemd-analyze", "--version"):
        pytest.skip("NOT TESTED: systemd-analyze is not here")
    unit = tmp_path / "tidemark.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT, flags=re.MULTILINE))
    ended = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_image_builds() -> None:
    if not answers("docker", "info"):
        pytest.skip("NOT TESTED: no container engine answers here")
    build = ["docker", "build", "--quiet", "--file", DEPLOY / "Dockerfile", ROOT]
    ended = subprocess.run(build, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    image = ended.stdout.strip()
    said = subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", image, "churn", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
