"""The manifests of docs/secrets.md and docs/gitops.md fit their schemas, and yield the Secret that the resolver mounts."""

import base64
import re

import yaml

import custom_resources
import schemas
from manifests import ROOT, Manifests, build


def files(page):
    """The YAML files that a page shows, by name."""
    text = (ROOT / "docs" / page).read_text()
    return dict(re.findall(r"`([^`\s]+)`:\n\n```yaml\n(.*?)^```", text, re.M | re.S))


def mounted_secret():
    resolver = build("overlays/nginx").find("Deployment", "keygate-resolver")
    [volume] = [it for it in resolver["spec"]["template"]["spec"]["volumes"] if it["name"] == "keys"]
    return resolver["metadata"]["namespace"], volume["secret"]["secretName"]


def custom_objects():
    return [yaml.safe_load(text) for name, text in files("secrets.md").items()]


def test_the_custom_resources_fit_their_schemas():
    objects = custom_objects()
    assert [entry["kind"] for entry in objects] == ["SealedSecret", "ExternalSecret"]
    assert list(custom_resources.problems(Manifests(yaml.safe_dump_all(objects)))) == []


def test_an_unknown_field_is_a_problem():
    for entry in custom_objects():
        entry["spec"]["unknown"] = True
        assert "unknown" in str(list(custom_resources.problems(Manifests(yaml.safe_dump(entry)))))


def test_the_custom_resources_make_the_secret_that_is_mounted():
    sealed, external = custom_objects()
    namespace, name = mounted_secret()
    assert sealed["spec"]["template"]["metadata"] == {"name": name, "namespace": namespace}
    assert (external["metadata"]["namespace"], external["spec"]["target"]["name"]) == (namespace, name)
    assert {entry["secretKey"] for entry in external["spec"]["data"]} == {"keys.yaml", "pepper"}
    assert list(sealed["spec"]["encryptedData"]) == ["keys.yaml"]


def test_the_kustomization_for_git_builds(tmp_path):
    (tmp_path / "keygate").symlink_to(ROOT)
    (tmp_path / "gateway.conf").write_text("# yours\n")
    (tmp_path / "keys.yaml").write_text("version: 1\nkeys: []\n")
    for name, text in files("gitops.md").items():
        (tmp_path / name).write_text(text)
    built = build(tmp_path)
    assert list(schemas.problems(built, schemas.VERSIONS[-1])) == []
    namespace, name = mounted_secret()
    secret = built.find("Secret", name)
    assert secret["metadata"]["namespace"] == namespace
    assert base64.b64decode(secret["data"]["keys.yaml"]) == b"version: 1\nkeys: []\n"
    assert "/invoices" in built.find("ConfigMap", "keygate-policy")["data"]["policy.yaml"]
