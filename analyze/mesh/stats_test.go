package mesh

import (
	"reflect"
	"testing"
)

func TestRejections(t *testing.T) {
	labels := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	tests := []struct {
		metric     string
		labels     map[string]string
		kind, name string
	}{
		{metric: "cluster_manager.cds.update_rejected", kind: "CDS"},
		{metric: "listener_manager.lds.update_rejected", kind: "LDS"},
		{metric: "cluster.outbound|80||rds.lds.svc.update_rejected", kind: "EDS", name: "outbound|80||rds.lds.svc"},
		{metric: "http.outbound_0.0.0.0_80;.rds.a.rds.b.update_rejected", kind: "RDS", name: "a.rds.b"},
		{metric: "http.edge.scoped_rds.tenants.update_rejected", kind: "SRDS", name: "tenants"},
		{metric: "http.edge.rds.a.vhds.b.update_rejected", kind: "RDS", name: "a.vhds.b"},
		{metric: "http.edge.vhds.80.update_rejected", kind: "VHDS", name: "80"},
		{metric: "sds.kubernetes://a.b.update_rejected", kind: "SDS", name: "kubernetes://a.b"},
		{metric: "extension_config_discovery.http_filter.a.b.update_rejected", kind: "ECDS", name: "a.b"},
		{metric: "runtime.update_rejected", kind: "RTDS"},
		{metric: "other.thing.update_rejected", name: "other.thing"},
		{metric: "envoy_cluster_manager_cds_update_rejected", kind: "CDS"},
		{metric: "envoy_listener_manager_lds_update_rejected", kind: "LDS"},
		{metric: "envoy_cluster_update_rejected", labels: labels("envoy_cluster_name", "rds"), kind: "EDS", name: "rds"},
		{metric: "envoy_cluster_shop_svc_update_rejected", labels: labels("cluster_name", "outbound|80||a"), kind: "EDS", name: "outbound|80||a"},
		{
			metric: "envoy_http_rds_update_rejected", labels: labels("envoy_http_conn_manager_prefix", "p", "envoy_rds_route_config", "a.b"),
			kind: "RDS", name: "a.b",
		},
		{metric: "envoy_http_rds_edge_update_rejected", labels: labels("envoy_http_conn_manager_prefix", "p"), kind: "RDS", name: "edge"},
		{metric: "envoy_http_scoped_rds_update_rejected", labels: labels("envoy_scoped_rds_config", "t"), kind: "SRDS", name: "t"},
		{metric: "envoy_sds_update_rejected", labels: labels("envoy_xds_resource_name", "c"), kind: "SDS", name: "c"},
		{metric: "envoy_extension_config_discovery_http_filter_header_rules_update_rejected", kind: "ECDS", name: "header_rules"},
		{metric: "envoy_clusters_update_rejected", name: "clusters"},
		{metric: "envoy_other_update_rejected", name: "other"},
	}
	for _, test := range tests {
		t.Run(test.metric, func(t *testing.T) {
			stats := &Stats{Samples: []Sample{{Name: test.metric, Labels: test.labels, Value: 2}}}
			want := []Rejection{{Type: test.kind, Name: test.name, Count: 2, Metric: test.metric}}
			if got := stats.Rejections(); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestRejectionsAreCountedAndSorted(t *testing.T) {
	stats := &Stats{Samples: []Sample{
		{Name: "sds.b.update_rejected", Value: 1},
		{Name: "sds.a.update_rejected", Value: 1},
		{Name: "sds.c.update_rejected", Value: 0},
		{Name: "sds.a.update_success", Value: 9},
		{Name: "cluster_manager.cds.update_rejected", Value: 3},
	}}
	var got []string
	for _, r := range stats.Rejections() {
		got = append(got, r.Type+" "+r.Name)
	}
	if want := []string{"CDS ", "SDS a", "SDS b"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (*Stats)(nil).Rejections(); got != nil {
		t.Errorf("got %v of no statistics, want none", got)
	}
}
