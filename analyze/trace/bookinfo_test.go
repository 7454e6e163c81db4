package trace_test

import (
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/trace"
)

const (
	productpage = "productpage"
	reviews1    = "reviews-v1"
	ratings     = "ratings"
	productID   = "principal=spiffe://cluster.local/ns/default/sa/bookinfo-productpage"
	reviewsID   = "principal=spiffe://cluster.local/ns/default/sa/bookinfo-reviews"
)

// The bookinfo walk through both proxies, with the verdicts of mTLS and policies.
func TestBookinfo(t *testing.T) {
	ask(t, load(t, "captures", "bookinfo-allow-any"), []question{
		{"VirtualService reviews: 80/20", productpage, "http://reviews:9080/reviews/1", nil, []string{
			"routed cluster=outbound|9080|v1|reviews.default.svc.cluster.local", "routed cluster=outbound|9080|v2|reviews.default.svc.cluster.local"}},
		{"AuthorizationPolicy allow-reviews: GET only", productpage, "http://reviews:9080/reviews/1", []string{"POST"}, []string{
			"denied details=rbac_access_denied_matched_policy[none]", "denied details=rbac_access_denied_matched_policy[none]"}},
		{"AuthorizationPolicy allow-reviews: not the blocked team", productpage, "http://reviews:9080/reviews/1", []string{"x-team: blocked"}, []string{"denied", "denied"}},
		{"AuthorizationPolicy allow-reviews: only productpage", "details", "http://reviews:9080/reviews/1", nil, []string{"denied", "denied"}},
		{"AuthorizationPolicy deny-ratings-post: method", reviews1, "http://ratings:9080/ratings/1", []string{"POST"},
			[]string{"denied policy=ns[default]-policy[deny-ratings-post]-rule[0]"}},
		{"AuthorizationPolicy deny-ratings-post: only reviews reads /ratings", productpage, "http://ratings:9080/ratings/1", nil,
			[]string{"denied policy=ns[default]-policy[deny-ratings-post]-rule[1]"}},
		{"AuthorizationPolicy deny-ratings-post: other paths", productpage, "http://ratings:9080/health", nil, []string{"routed"}},
		{"PeerAuthentication default: STRICT", ratings, "http://ratings:9080/health", []string{"inbound"}, []string{"tls-mismatch"}},
		{"mTLS from a sidecar", ratings, "http://ratings:9080/ratings/1", []string{"inbound", reviewsID}, []string{"routed cluster=inbound|9080||"}},
		{"meshConfig ALLOW_ANY, HTTP", productpage, "http://unknown.example.org/", nil, []string{"passthrough cluster=PassthroughCluster"}},
		{"meshConfig ALLOW_ANY, TCP", productpage, "tcp://203.0.113.9:4444", nil, []string{"passthrough cluster=PassthroughCluster"}},
		{"ServiceEntry external-api", productpage, "tls://api.example.com", nil, []string{"routed cluster=outbound|443||api.example.com"}},
		{"VirtualService bookinfo at the gateway", "istio-ingressgateway", "http://bookinfo.example.com/productpage", nil, []string{"routed cluster=outbound|9080||productpage.default.svc.cluster.local"}},
		{"VirtualService bookinfo: exact path", "istio-ingressgateway", "http://bookinfo.example.com/productpage/", nil, []string{"no-route"}},
	})
	ask(t, load(t, "captures", "bookinfo-registry-only"), []question{
		{"meshConfig REGISTRY_ONLY, HTTP", productpage, "http://unknown.example.org/", nil, []string{"blackhole details=direct_response"}},
		{"meshConfig REGISTRY_ONLY, TCP", productpage, "tcp://203.0.113.9:4444", nil, []string{"blackhole cluster=BlackHoleCluster"}},
	})
}

// What is planted in the broken capture ends in the right verdict.
func TestBroken(t *testing.T) {
	capture := load(t, "captures", "broken")
	questions := []question{
		{"VirtualService to-missing-host", productpage, "http://details:9080/v9/x", nil,
			[]string{"no-cluster cluster=outbound|9080||details-v9.default.svc.cluster.local details=cluster_not_found"}},
		{"VirtualService to-missing-host: another path", productpage, "http://details:9080/v", nil, []string{"routed"}},
		{"VirtualService to-missing-subset", productpage, "http://ratings:9080/", nil, []string{
			"routed cluster=outbound|9080|v1|ratings.default.svc.cluster.local", "no-cluster cluster=outbound|9080|v7|ratings.default.svc.cluster.local"}},
		{"DestinationRule reviews-plaintext against STRICT", productpage, "http://reviews:9080/", nil,
			[]string{"tls-mismatch cluster=outbound|9080||reviews.default.svc.cluster.local"}},
		{"VirtualService productpage-b: ghost has no endpoints", "ratings", "http://ghost:9080/", nil,
			[]string{"no-healthy-endpoint details=no_healthy_upstream"}},
		{"Sidecar details-egress hides reviews", "details", "http://reviews:9080/", nil, []string{"blackhole"}},
	}
	ask(t, capture, questions)

	// The culprit is named.
	engine := trace.New(capture)
	for target, culprit := range map[string]string{
		"http://details:9080/v9/x": "to-missing-host", "http://ratings:9080/": "to-missing-subset", "http://reviews:9080/": "reviews-plaintext",
	} {
		answer := question{proxy: productpage, target: target}.trace(t, capture, engine)
		var objects []string
		for _, step := range answer.Paths[0].Hops[0].Steps {
			if step.Object != nil {
				objects = append(objects, step.Object.Name)
			}
		}
		if !strings.Contains(strings.Join(objects, " "), culprit) {
			t.Errorf("%s: got the objects %v behind the steps, want %s among them", target, objects, culprit)
		}
	}
}

// A waypoint unwraps the tunnel and goes on inside itself.
func TestWaypoint(t *testing.T) {
	capture := load(t, "captures", "waypoint")
	answer := question{proxy: "waypoint", target: "http://details:9080/"}.trace(t, capture, trace.New(capture))
	var ways []string
	for _, h := range answer.Paths[0].Hops {
		ways = append(ways, h.Outcome.Listener+" "+h.Outcome.Cluster)
	}
	want := "connect_terminate main_internal, main_internal inbound-vip|9080|http|details.default.svc.cluster.local"
	if got := strings.Join(ways, ", "); got != want {
		t.Errorf("got the way %s, want %s", got, want)
	}
}

// The same questions have answers in captures of old versions.
func TestOldCaptures(t *testing.T) {
	for _, tc := range []struct {
		capture string
		question
	}{
		{"istio-0.8/config_dump.json", question{"", "", "http://reviews:9080/", nil, []string{"routed"}}},
		{"istio-1.1/config_dump.json", question{"", "", "http://reviews:9080/", nil, []string{"routed"}}},
		{"istio-1.3/config_dump.json", question{"", "", "http://b:80/", nil, []string{"routed cluster=outbound|80||b.apps-1-99281.svc.cluster.local"}}},
		{"istio-1.3/config_dump.json", question{"", "", "tcp://203.0.113.1:4", nil, []string{"blackhole cluster=BlackHoleCluster"}}},
		{"istio-1.4", question{"its DestinationRule is missing: the proxy has no cluster of a subset", "", "http://reviews:9080/", nil,
			[]string{"no-cluster cluster=outbound|9080|v3|reviews.bookinfo.svc.cluster.local"}}},
		{"istio-1.5-bookinfo/productpage-config-dump", question{"", "", "http://reviews:9080/", nil, []string{"routed"}}},
		{"istio-1.5-bookinfo/productpage-config-dump", question{"", "", "http://no.example.org/", nil, []string{"passthrough"}}},
		{"istio-1.5-bookinfo/ingressgateway_config_dump", question{"", "", "http://any/productpage", nil, []string{"blackhole details=direct_response"}}},
		{"istio-1.5-bookinfo/ingressgateway_config_dump", question{"", "", "https://httpbin.example.com/status/418", []string{"principal=spiffe://any/ns/a/sa/b"}, []string{"no-cluster cluster=outbound|8000||httpbin.default.svc.cluster.local"}}},
	} {
		t.Run(tc.capture, func(t *testing.T) { ask(t, load(t, "corpus", tc.capture), []question{tc.question}) })
	}
}
