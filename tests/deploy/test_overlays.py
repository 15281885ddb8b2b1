"""Each overlay as kustomize builds it: errors that Kubernetes rejects, and those that it accepts."""

import pytest

import monitoring
import policies
import references
import schemas
from manifests import OVERLAYS, ROOT, build

LEFT_TO_THE_USER = references.LEFT_TO_THE_USER


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request):
    return request.param


@pytest.fixture(scope="module")
def manifests(overlay):
    return build(f"overlays/{overlay}")


@pytest.mark.parametrize("version", schemas.VERSIONS)
def test_kubernetes_knows_every_field(manifests, version):
    assert list(schemas.problems(manifests, version)) == []


def test_every_referenced_object_exists(overlay, manifests):
    # The demo is complete.
    left = set() if overlay == "demo" else LEFT_TO_THE_USER
    assert list(references.problems(manifests, left)) == []


def test_no_policy_check_fails_without_a_reason(manifests, tmp_path):
    failed, skipped = policies.results(manifests, tmp_path)
    assert failed == []
    assert [check for check, reason in skipped if len(reason) < 20] == []


def test_the_pair_lacks_only_your_gateway():
    pair = build("base")
    assert list(schemas.problems(pair, schemas.VERSIONS[0])) == []
    gateway = [problem for problem in references.problems(pair) if "allows Pods that do not exist" not in problem]
    assert gateway == []


def test_monitoring_finds_every_overlay(manifests):
    assert list(monitoring.problems(build("overlays/monitoring"), manifests)) == []


@pytest.mark.parametrize("below", ["nginx", "single"])
def test_users_can_be_looked_up_on_top_of(below, tmp_path):
    manifests = build(f"overlays/{below}").with_users()
    assert list(schemas.problems(manifests, schemas.VERSIONS[-1])) == []
    assert list(references.problems(manifests, LEFT_TO_THE_USER)) == []
    assert list(references.user_sources(manifests)) == []
    assert policies.results(manifests, tmp_path)[0] == []
    assert list(references.user_sources(build(f"overlays/{below}"))) != []


def test_the_namespace_can_be_left_out(overlay, manifests, tmp_path):
    (tmp_path / "keygate").symlink_to(ROOT)
    (tmp_path / "kustomization.yaml").write_text(
        f"resources: [keygate/deploy/kubernetes/overlays/{overlay}]\n"
        "components: [keygate/deploy/kubernetes/without-namespace]\n"
    )
    without = build(tmp_path)
    assert without.of_kind("Namespace") == []
    assert len(manifests.of_kind("Namespace")) == 1
    assert without.objects == [entry for entry in manifests.objects if entry["kind"] != "Namespace"]
