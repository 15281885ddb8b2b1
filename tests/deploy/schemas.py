"""Kubernetes' own schemas; an unknown field is an error."""

import kubernetes_validate

# The oldest version that Kubernetes maintains, and the newest.
VERSIONS = ["1.34", "1.37"]


def problems(manifests, version):
    for entry in manifests.objects:
        try:
            kubernetes_validate.validate(entry, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{entry['apiVersion']} has no kind `{entry['kind']}`"
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(step) for step in error.path)
            yield f"{entry['kind']} `{entry['metadata']['name']}`: {where}: {error.message}"
