package trace

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
)

// subset narrows hosts to those that lb_subset_config gives a request with these
// criteria. note says what was done where it was not plain.
func subset(c *cluster, hosts []*host, criteria map[string]any) (chosen []*host, note string) {
	config := c.message.GetLbSubsetConfig()
	if len(config.GetSubsetSelectors()) == 0 {
		return hosts, ""
	}
	selector := selectorFor(config, criteria)
	if selector != nil {
		if fits := holding(hosts, criteria, config.GetListAsAny()); len(fits) > 0 {
			return fits, ""
		}
	}
	policy, keys := fallbackOf(config, selector)
	switch policy {
	case clusterv3.Cluster_LbSubsetConfig_ANY_ENDPOINT:
		return hosts, "no subset fits " + criteriaText(criteria) + ": fallback to any endpoint"
	case clusterv3.Cluster_LbSubsetConfig_DEFAULT_SUBSET:
		return holding(hosts, config.GetDefaultSubset().AsMap(), config.GetListAsAny()), "no subset fits " + criteriaText(criteria) + ": fallback to default_subset"
	}
	if len(keys) > 0 && len(keys) < len(criteria) {
		reduced := map[string]any{}
		for _, key := range keys {
			reduced[key] = criteria[key]
		}
		chosen, note = subset(c, hosts, reduced)
		return chosen, strings.TrimPrefix(note+"; fallback to the keys "+strings.Join(keys, ", "), "; ")
	}
	return nil, "no subset fits " + criteriaText(criteria) + ", and there is no fallback"
}

// selectorFor returns the selector whose keys are just those of the criteria.
func selectorFor(config *clusterv3.Cluster_LbSubsetConfig, criteria map[string]any) *clusterv3.Cluster_LbSubsetConfig_LbSubsetSelector {
	for _, s := range config.GetSubsetSelectors() {
		if len(criteria) == 0 || len(s.GetKeys()) != len(criteria) {
			continue
		}
		if !slices.ContainsFunc(s.GetKeys(), func(key string) bool { _, has := criteria[key]; return !has }) {
			return s
		}
	}
	return nil
}

// fallbackOf returns the fallback in force; keys are those of KEYS_SUBSET.
func fallbackOf(config *clusterv3.Cluster_LbSubsetConfig, s *clusterv3.Cluster_LbSubsetConfig_LbSubsetSelector) (policy clusterv3.Cluster_LbSubsetConfig_LbSubsetFallbackPolicy, keys []string) {
	switch s.GetFallbackPolicy() {
	case clusterv3.Cluster_LbSubsetConfig_LbSubsetSelector_NO_FALLBACK:
		return clusterv3.Cluster_LbSubsetConfig_NO_FALLBACK, nil
	case clusterv3.Cluster_LbSubsetConfig_LbSubsetSelector_ANY_ENDPOINT:
		return clusterv3.Cluster_LbSubsetConfig_ANY_ENDPOINT, nil
	case clusterv3.Cluster_LbSubsetConfig_LbSubsetSelector_DEFAULT_SUBSET:
		return clusterv3.Cluster_LbSubsetConfig_DEFAULT_SUBSET, nil
	case clusterv3.Cluster_LbSubsetConfig_LbSubsetSelector_KEYS_SUBSET:
		return clusterv3.Cluster_LbSubsetConfig_NO_FALLBACK, s.GetFallbackKeysSubset()
	}
	return config.GetFallbackPolicy(), nil
}

// holding returns the hosts that have all of the metadata.
func holding(hosts []*host, metadata map[string]any, listAsAny bool) []*host {
	var out []*host
	for _, h := range hosts {
		fits := true
		for key, want := range metadata {
			got, has := h.lb[key]
			fits = fits && has && sameValue(want, got, listAsAny)
		}
		if fits {
			out = append(out, h)
		}
	}
	return out
}

func sameValue(want, got any, listAsAny bool) bool {
	if list, ok := got.([]any); ok && listAsAny {
		return slices.ContainsFunc(list, func(element any) bool { return reflect.DeepEqual(want, element) })
	}
	return reflect.DeepEqual(want, got)
}

// criteriaText is "version=v1, stage=prod", sorted.
func criteriaText(criteria map[string]any) string {
	if len(criteria) == 0 {
		return "a request without metadata"
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(criteria)) {
		parts = append(parts, fmt.Sprintf("%s=%v", key, criteria[key]))
	}
	return strings.Join(parts, ", ")
}
