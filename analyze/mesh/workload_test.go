package mesh_test

import (
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
)

func TestWorkload(t *testing.T) {
	for pod, want := range map[string]string{
		"reviews-v1-6d5f8c7b9d-x2x4z": "reviews-v1", // Deployment
		"kafka-0":                     "kafka",      // StatefulSet
		"node-agent-x2x4z":            "node-agent", // DaemonSet
		"gateway":                     "gateway",
		"my-own-pod":                  "my-own-pod",
	} {
		if got := (&mesh.Proxy{Name: pod}).Workload(); got != want {
			t.Errorf("pod %q: got workload %q, want %q", pod, got, want)
		}
	}
}
