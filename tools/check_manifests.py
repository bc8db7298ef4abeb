"""Holds manifests against the schemas of Kubernetes: python3 tools/check_manifests.py FILE... (needs kubernetes-validate).

Kubernetes has no schema of KubeRay's kinds. Of a RayJob the pods' templates are held against the schema, and the names of
what is around them against those that KubeRay's API has.
"""

import sys

import kubernetes_validate
import yaml

# Fields of ray.io/v1 that a manifest of this project may have, and whether they must be there.
RAY_JOB = {
    "entrypoint": True,
    "rayClusterSpec": True,
    "shutdownAfterJobFinishes": False,
    "ttlSecondsAfterFinished": False,
    "backoffLimit": False,
}
CLUSTER = {"rayVersion": True, "headGroupSpec": True, "workerGroupSpecs": True, "enableInTreeAutoscaling": False}
HEAD = {"rayStartParams": True, "template": True}
WORKERS = {**HEAD, "groupName": True, "replicas": False, "minReplicas": True, "maxReplicas": True}


def check(document):
    """Documents of Kubernetes' own kinds that stand for this one."""
    if document["apiVersion"] != "ray.io/v1":
        return [document]
    assert document["kind"] == "RayJob", f"no fields are known of the kind {document['kind']}"
    job = fields(document["spec"], RAY_JOB, "spec")
    cluster = fields(job["rayClusterSpec"], CLUSTER, "rayClusterSpec")
    head = fields(cluster["headGroupSpec"], HEAD, "headGroupSpec")
    groups = [fields(it, WORKERS, "workerGroupSpecs") for it in cluster["workerGroupSpecs"]]
    for group in [head, *groups]:
        for name, value in group["rayStartParams"].items():
            assert isinstance(value, str), f"rayStartParams: {name} must be text"
    for group in groups:
        assert group["minReplicas"] <= group.get("replicas", 0) <= group["maxReplicas"], "replicas"
    return [template(group["template"], document["metadata"]["name"]) for group in [head, *groups]]


def fields(found, known, where):
    unknown = found.keys() - known.keys()
    missing = {name for name, must in known.items() if must} - found.keys()
    assert not unknown and not missing, f"{where}: unknown {sorted(unknown)}, missing {sorted(missing)}"
    return found


def template(of_pod, name):
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": of_pod}


def main():
    version = kubernetes_validate.latest_version()
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            documents = list(yaml.safe_load_all(file))
        for document in documents:
            for part in check(document):
                kubernetes_validate.validate(part, version, strict=True)
        print(f"{path}: {len(documents)} documents, by Kubernetes {version}")


if __name__ == "__main__":
    main()
