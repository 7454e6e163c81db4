package trace_test

import "testing"

const (
	ingress    = "istio-ingressgateway"
	egress     = "istio-egressgateway"
	storefront = "storefront-v1-cgx6vgsdg-9fxwm"
	cart       = "cart-v1-fmgnkgm68-dwsqt"
	catalog    = "catalog-v1-fhsbhp28q-lwb2p"
	checkout   = "checkout-v1-bnbhg5nrx-2pghn"
	payments   = "payments-v1-rrz6thtqp-gl4kd"
	search     = "search-v1-mkg9xcmxw-cn2c5"
)

// Every route of the shop's gateway, with a request that hits it and one that just
// misses it. "why" names the object in shop-input/istio.yaml that argues for it.
func TestShopGateway(t *testing.T) {
	const (
		catalogAll = "cluster=outbound|8080||catalog.shop.svc.cluster.local"
		front      = "cluster=outbound|80||storefront.shop.svc.cluster.local"
	)
	ask(t, load(t, "captures", "shop.tar.gz"), []question{
		{"Gateway edge, server http: httpsRedirect", ingress, "http://shop.example.com/x?y=1", nil,
			[]string{"redirect location=https://shop.example.com/x?y=1"}},
		{"Gateway edge: no server has the host", ingress, "http://shop.example.org/", nil, []string{"no-virtual-host"}},
		{"VirtualService status: /healthz answers itself", ingress, "http://status.example.com/healthz/x", nil, []string{"direct-response"}},
		{"VirtualService status: else storefront", ingress, "http://status.example.com/health", nil, []string{"routed " + front}},
		{"VirtualService status: *.preview.example.com", ingress, "http://a.b.preview.example.com/", nil, []string{"routed " + front}},
		{"a wildcard needs something in its place", ingress, "http://preview.example.com/", nil, []string{"no-virtual-host"}},

		{"shop-edge www-to-apex", ingress, "https://www.shop.example.com/a?b=c", nil, []string{"redirect route=www-to-apex location=https://shop.example.com/a?b=c"}},
		{"shop-edge api-catalog: prefix and method, rewrite", ingress, "https://shop.example.com/api/catalog/1", []string{"HEAD"},
			[]string{"routed route=api-catalog path=/v1/1 " + catalogAll}},
		{"shop-edge api-catalog: method is GET|HEAD", ingress, "https://shop.example.com/api/catalog/1", []string{"POST"}, []string{"routed route=default " + front}},
		{"shop-edge api-catalog: the prefix ends with a slash", ingress, "https://shop.example.com/api/catalog", nil, []string{"routed route=default"}},
		{"shop-edge api-search-canary", ingress, "https://shop.example.com/api/search?q=x", []string{"x-canary: true"},
			[]string{"routed route=api-search-canary cluster=outbound|8080|canary|search.shop.svc.cluster.local"}},
		{"shop-edge api-search-canary: q must have a value", ingress, "https://shop.example.com/api/search?q=", []string{"x-canary: true"},
			[]string{"routed route=api-search cluster=outbound|8080|stable|search.shop.svc.cluster.local"}},
		{"shop-edge api-search: no crawlers", ingress, "https://shop.example.com/api/search", []string{"x-bot: crawler"}, []string{"direct-response route=bots"}},
		{"shop-edge api-search: others", ingress, "https://shop.example.com/api/search", []string{"x-bot: x"}, []string{"routed route=api-search"}},
		{"shop-edge bots: exact path", ingress, "https://shop.example.com/api/search/", []string{"x-bot: crawler"}, []string{"routed route=default"}},
		{"shop-edge items-regex: 90/10, rewritten", ingress, "https://shop.example.com/items/42/reviews?p=1", nil, []string{
			"routed route=items-regex path=/catalog/item/42/reviews?p=1 cluster=outbound|8080|v1|catalog.shop.svc.cluster.local",
			"routed route=items-regex path=/catalog/item/42/reviews?p=1 cluster=outbound|8080|v2|catalog.shop.svc.cluster.local"}},
		{"shop-edge items-regex: the whole path, at most 8 digits", ingress, "https://shop.example.com/items/123456789", nil, []string{"routed route=default"}},
		{"shop-edge old-path: any case", ingress, "https://shop.example.com/SHOPping", nil, []string{"redirect route=old-path location=https://shop.example.com/"}},
		{"shop-edge old-path: a prefix", ingress, "https://shop.example.com/sho", nil, []string{"routed route=default"}},

		{"VirtualService partner leads there; AuthorizationPolicy payments-callers lets namespace shop in, not the gateway", ingress, "https://partner.example.com/v2/payments/1",
			[]string{"POST", "content-type: application/json; charset=utf-8", "principal=spiffe://partner.example/ns/a/sa/b"},
			[]string{"denied cluster=outbound|8080||payments.payments.svc.cluster.local details=rbac_access_denied_matched_policy[none]"}},
		{"VirtualService partner: content-type", ingress, "https://partner.example.com/v2/payments/1",
			[]string{"POST", "content-type: text/json", "principal=spiffe://partner.example/ns/a/sa/b"}, []string{"no-route"}},
		{"Gateway edge, server https-partner: MUTUAL", ingress, "https://partner.example.com/v2/payments", nil, []string{"tls-mismatch"}},
		{"VirtualService legacy-passthrough: by SNI", ingress, "tls://legacy.example.com:8443", nil,
			[]string{"routed cluster=outbound|8081||inventory.legacy.svc.cluster.local"}},
		{"Gateway edge: no server on 8443 has the SNI", ingress, "tls://legacy.example.org:8443", nil, []string{"no-filter-chain"}},
		{"Gateway edge: 8443 takes no cleartext", ingress, "http://shop.example.com:8443/", nil, []string{"no-filter-chain"}},
		{"VirtualService db-edge", ingress, "tcp://anything:3306", nil, []string{"routed cluster=outbound|3306||orders-db.data.svc.cluster.local"}},
		{"Gateway edge: no server has the port", ingress, "tcp://anything:3307", nil, []string{"no-listener"}},

		{"VirtualService tracker-egress", egress, "http://tracker.example.io/x", nil, []string{"routed cluster=outbound|80||tracker.example.io"}},
		{"Gateway egress: only the tracker", egress, "http://other.example.io/x", nil, []string{"no-virtual-host"}},
	})
}

// The routes that VirtualServices give the mesh, and policies at the server's side.
func TestShopMesh(t *testing.T) {
	const (
		v1        = "cluster=outbound|8080|v1|catalog.shop.svc.cluster.local"
		v2        = "cluster=outbound|8080|v2|catalog.shop.svc.cluster.local"
		gatewayID = "principal=spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
	)
	ask(t, load(t, "captures", "shop.tar.gz"), []question{
		{"VirtualService catalog: qa users get 10% aborts, half of them after a delay", cart, "http://catalog:8080/", []string{"end-user: qa-1"},
			[]string{"routed " + v2, "routed " + v2, "direct-response details=fault_filter_abort", "direct-response details=fault_filter_abort"}},
		{"VirtualService catalog: qa-.* is the whole value", cart, "http://catalog:8080/", []string{"end-user: aqa-1"}, []string{"routed " + v1}},
		{"VirtualService catalog: storefront splits /item 75/25", storefront, "http://catalog:8080/items", nil, []string{"routed " + v1, "routed " + v2}},
		{"VirtualService catalog: only under /item", storefront, "http://catalog:8080/ite", nil, []string{"routed " + v1}},
		{"VirtualService catalog: only from storefront", cart, "http://catalog:8080/items", nil, []string{"routed " + v1}},
		{"VirtualService catalog: port 9000", storefront, "http://catalog:9000/items", nil, []string{"routed cluster=outbound|9000||catalog.shop.svc.cluster.local"}},
		{"ServiceEntry psp: any host of it", storefront, "tls://pay.psp.example.org", nil, []string{"routed cluster=outbound|443||*.psp.example.org"}},
		{"ServiceEntry psp: another domain", storefront, "tls://pay.psp.example.com", nil, []string{"passthrough cluster=PassthroughCluster"}},
		{"ServiceEntry mainframe", storefront, "tcp://mainframe.corp.example:5000", nil, []string{"routed cluster=outbound|5000||mainframe.corp.example"}},
		{"ServiceEntry mainframe: another address", storefront, "tcp://172.30.9.8:5000", nil, []string{"passthrough cluster=PassthroughCluster"}},
		{"Sidecar default in payments: REGISTRY_ONLY, HTTP", payments, "http://search.shop.svc.cluster.local:8080/", nil, []string{"blackhole"}},
		{"Sidecar default in payments: REGISTRY_ONLY, TCP", payments, "tcp://203.0.113.5:6000", nil, []string{"blackhole cluster=BlackHoleCluster"}},
		{"Sidecar default in payments: its own namespace", payments, "http://fraud:9091/", nil, []string{"routed cluster=outbound|9091||fraud.payments.svc.cluster.local"}},

		{"AuthorizationPolicy checkout-users: no token", storefront, "http://checkout:8080/checkout", []string{"POST"},
			[]string{"denied cluster=outbound|8080||checkout.shop.svc.cluster.local details=rbac_access_denied_matched_policy[none]"}},
		{"AuthorizationPolicy checkout-users: the gateway's health checks", checkout, "http://checkout:8080/healthz", []string{"inbound", gatewayID}, []string{"routed"}},
		{"AuthorizationPolicy checkout-users: notIpBlocks", checkout, "http://checkout:8080/healthz", []string{"inbound", gatewayID, "from=198.51.100.7"}, []string{"denied"}},
		{"AuthorizationPolicy payments-callers: namespace shop on 8080", storefront, "http://payments.payments.svc.cluster.local:8080/pay", nil, []string{"routed"}},
		{"AuthorizationPolicy payments-callers: not /admin*", storefront, "http://payments.payments.svc.cluster.local:8080/administer", nil, []string{"denied"}},
		{"AuthorizationPolicy payments-callers: not 7070", storefront, "tcp://payments.payments.svc.cluster.local:7070", nil, []string{"denied"}},
		{"AuthorizationPolicy storefront-deny-debug: paths and hosts", storefront, "http://x.internal/debug/a", []string{"inbound", gatewayID},
			[]string{"denied policy=ns[shop]-policy[storefront-deny-debug]-rule[0]"}},
		{"AuthorizationPolicy storefront-deny-debug: another host", storefront, "http://x.external/debug/a", []string{"inbound", gatewayID}, []string{"passthrough"}},
		{"PeerAuthentication: STRICT", search, "http://search:8080/", []string{"inbound"}, []string{"tls-mismatch"}},
		{"PeerAuthentication catalog-admin: 9000 is PERMISSIVE", catalog, "http://catalog:9000/", []string{"inbound"}, []string{"routed"}},
		{"PeerAuthentication catalog-admin: 8080 is STRICT", catalog, "http://catalog:8080/", []string{"inbound"}, []string{"tls-mismatch"}},
	})
}
