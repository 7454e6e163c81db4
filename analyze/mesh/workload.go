package mesh

import "strings"

// Workload is what the replicas of a proxy have in common: WORKLOAD_NAME of its
// node, else its pod's name without what ReplicaSets and StatefulSets add.
func (p *Proxy) Workload() string {
	if p.Bootstrap != nil {
		if name := p.Bootstrap.Peek("node", "metadata", "WORKLOAD_NAME"); name != "" {
			return name
		}
	}
	return workloadOfPod(p.Name)
}

// WorkloadOf returns "namespace/workload" of the proxy or control plane with a Key,
// going by its name alone; empty for none.
func WorkloadOf(key string) string {
	key, _, _ = strings.Cut(key, " (")
	pod, namespace, _ := cutLast(key, ".")
	if pod == "" {
		return ""
	}
	return namespace + "/" + workloadOfPod(pod)
}

func workloadOfPod(pod string) string {
	parts := strings.Split(pod, "-")
	last := parts[len(parts)-1]
	switch {
	case len(parts) > 2 && len(last) == 5 && isTemplateHash(parts[len(parts)-2]):
		return strings.Join(parts[:len(parts)-2], "-")
	case len(parts) > 1 && (len(last) == 5 || strings.Trim(last, "0123456789") == ""):
		return strings.Join(parts[:len(parts)-1], "-")
	}
	return pod
}

// isTemplateHash reports whether a part of a pod's name is the pod template hash
// of its ReplicaSet.
func isTemplateHash(part string) bool { return len(part) >= 8 && len(part) <= 10 }
