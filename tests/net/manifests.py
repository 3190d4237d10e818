# SPDX-License-Identifier: GPL-2.0-only
"""Objects of Kubernetes, as kubectl prints them, of which only what tests are about is told."""
import json

import yaml

SERVICE_NAME = "kubernetes.io/service-name"
ZONE = "topology.kubernetes.io/zone"


def node(name, addresses, pods=(), zone=None):
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **({ZONE: zone} if zone else {})}},
            "spec": {"podCIDR": pods[0], "podCIDRs": list(pods)} if pods else {},
            "status": {"addresses": [{"type": "InternalIP", "address": a} for a in addresses] +
                       [{"type": "Hostname", "address": name}]}}


def service(name, ports, cluster_ips, type="ClusterIP", ingress=(), namespace="default",     # pylint: disable=redefined-builtin
            labels=None, annotations=None, **spec):
    """@ports: (name, protocol, port, node port or 0)."""
    listed = [{"name": n, "protocol": proto, "port": port, "targetPort": 1, **({"nodePort": np} if np else {})}
              for n, proto, port, np in ports]
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "labels": labels or {},
                         "annotations": annotations or {}, "uid": "5f4c2b1e-0001", "resourceVersion": "812"},
            "spec": {"type": type, "clusterIP": cluster_ips[0] if cluster_ips else None,
                     "clusterIPs": list(cluster_ips), "ports": listed, "selector": {"app": name}, **spec},
            "status": {"loadBalancer": {"ingress": list(ingress)} if ingress else {}}}


def endpoint(address, where=None, ready=True, serving=True, terminating=False, zones=(), nodes=()):
    hints = {**({"forZones": [{"name": z} for z in zones]} if zones else {}),
             **({"forNodes": [{"name": n} for n in nodes]} if nodes else {})}
    return {"addresses": [address],
            "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
            **({"nodeName": where} if where else {}), **({"hints": hints} if hints else {})}


def endpoint_slice(name, of, ports, endpoints, namespace="default", kind="IPv4"):
    """@ports: (name, protocol, port)."""
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": kind,
            "metadata": {"name": name, "namespace": namespace, "labels": {SERVICE_NAME: of} if of else {}},
            "ports": [{"name": n, "protocol": proto, "port": port} for n, proto, port in ports],
            "endpoints": endpoints}


def module_config(mode, **spec):
    return {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "cni-cilium"},
            "spec": {"settings": {"bpfLBMode": mode, "tunnelMode": "Disabled"}, "version": 1, "enabled": True, **spec}}


def as_list(objects):
    return {"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}}


def text(objects, form="yaml"):
    """What kubectl prints: a List in YAML or JSON; or documents, as people write them."""
    if form == "json":
        return json.dumps(as_list(objects), indent=4)
    if form == "documents":
        return "---\n".join(yaml.dump(o, Dumper=yaml.CSafeDumper) for o in objects)
    return yaml.dump(as_list(objects), Dumper=yaml.CSafeDumper)
