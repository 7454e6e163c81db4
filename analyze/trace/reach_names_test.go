package trace

import "testing"

func TestServiceOf(t *testing.T) {
	for cluster, want := range map[string]string{
		"outbound|8080|v1|reviews.default.svc.cluster.local":      "reviews.default.svc.cluster.local",
		"outbound_.8080_.v1_.reviews.default.svc.cluster.local":   "reviews.default.svc.cluster.local",
		"outbound-tunnel|8080||reviews.default.svc.cluster.local": "reviews.default.svc.cluster.local",
		"inbound|8080||":     "",
		"PassthroughCluster": "",
		"outbound":           "",
	} {
		if got := serviceOf(cluster); got != want {
			t.Errorf("serviceOf(%q) = %q, want %q", cluster, got, want)
		}
	}
}

func TestCensusNames(t *testing.T) {
	for _, tc := range []struct {
		host, name string
		want       bool
	}{
		{"reviews", "reviews.default.svc.cluster.local", true},
		{"reviews.default", "reviews.default.svc.cluster.local", true},
		{"reviews.default.svc", "reviews.default.svc.cluster.local", true},
		{"reviews.default.svc.cluster.local", "reviews.default.svc.cluster.local.", false},
		{"Reviews", "reviews", true},
		{"reviews:9080", "reviews:9080", true},
		{"api", "api.example.com", false},
		{"review", "reviews.default.svc.cluster.local", false},
		{"default", "reviews.default.svc.cluster.local", false},
		{"*", "reviews.default.svc.cluster.local", false},
		{"10.0.0.1", "10.0.0.1", true},
		{"fd00::1", "[fd00::1]:80", true},
	} {
		if got := newCensus(nil, tc.host).names(tc.name); got != tc.want {
			t.Errorf("--to %s: names(%q) = %t, want %t", tc.host, tc.name, got, tc.want)
		}
	}
}
