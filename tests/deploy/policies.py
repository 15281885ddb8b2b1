"""Checkov's policies; an annotation of the object gives the reason for a skipped one."""

import logging

from checkov.common.models.enums import CheckResult
from checkov.kubernetes.runner import Runner
from checkov.runner_filter import RunnerFilter


def results(manifests, folder):
    """Returns the failed checks, and the skipped ones with their reasons."""
    logging.disable(logging.WARNING)
    folder.mkdir(exist_ok=True)
    path = folder / "manifests.yaml"
    path.write_text(manifests.text)
    report = Runner().run(root_folder=None, files=[str(path)], runner_filter=RunnerFilter(framework=["kubernetes"]))
    logging.disable(logging.NOTSET)
    assert report.passed_checks, "checkov checked nothing"
    failed = [f"{check.check_id} {check.check_name}: {check.resource}" for check in report.failed_checks]
    skipped = [
        (check.check_id, check.check_result.get("suppress_comment", ""))
        for check in report.skipped_checks
        if check.check_result["result"] == CheckResult.SKIPPED
    ]
    return failed, skipped
