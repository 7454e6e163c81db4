package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// SDSSecretMissing reports certificates that a listener or cluster asks for and
// that were never delivered.
var SDSSecretMissing = &analyze.Rule{
	Name:       "sds-secret-missing",
	Code:       "SYN04",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedBootstrap, analyze.NeedListeners, analyze.NeedSecrets},
	Doc: analyze.Doc{
		Title: "a listener or cluster asks for a secret (SDS) that was never delivered",
		Finds: "Names in `tls_certificate_sds_secret_configs`, `validation_context_sds_secret_config` and `combined_validation_context` of listeners and clusters that SecretsConfigDump has in `dynamic_warming_secrets` only, or has empty.",
		Hurts: "Envoy closes the TLS connections of an active filter chain, and a cluster answers 503 with response flag UF, `TLS error: Secret is not supplied by SDS`. A listener that is new stays warming with all its hosts, not only with the one whose secret is missing.",
		Example: `"dynamic_warming_secrets": [{"name": "kubernetes://shop-cert", "last_updated": "2026-05-01T08:00:00Z"}]
# and a Gateway has tls.credentialName: shop-cert`,
		Silent: "secrets that nothing refers to; static secrets; names that the dump does not have at all, since Envoy lists all that it asked for: the dump is no whole one. What was asked for within a minute of the capture is info; where only the rest of the capture is so much newer than the secret, and not the files of the proxy, it is a likely warning. Where an older version of the listener serves, or nothing routes to the cluster, it is a warning.",
		Fix:    "create the secret that credentialName names in the namespace of the gateway's pods, of type kubernetes.io/tls or with the keys cert and key; see the log of istiod for its name. For `default` and `ROOTCA` see why istio-agent gets no certificate: its log, istiod's CA",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret",
			"https://istio.io/latest/docs/ops/common-problems/security-issues/",
			"https://github.com/istio/istio/issues/57789",
		},
	},
	Run: runSDSSecretMissing,
}

// secretUse is a place that asks for a secret.
type secretUse struct {
	in       *mesh.Resource
	path     string
	severity analyze.Severity
	// harmless says why nobody misses it there; empty where somebody does.
	harmless string
}

func runSDSSecretMissing(pass *analyze.Pass) {
	g := newGathering(pass.Capture)
	for _, p := range pass.Proxies {
		var lacking []*mesh.Resource
		for _, r := range p.Secrets {
			warms := r.State == mesh.Warming && p.Active(mesh.Secret, r.Name()) == nil
			if warms || r.State == mesh.Active && !hasSecret(r) {
				lacking = append(lacking, r)
			}
		}
		if len(lacking) == 0 {
			continue // as in most proxies: the clusters need not be looked at
		}
		uses := secretUsesOf(pass, p)
		for _, r := range lacking {
			if asked := uses[r.Name()]; len(asked) > 0 {
				reportSecret(pass, g, p, r, asked)
			}
		}
	}
}

// hasSecret reports whether the secret is of any use. What it holds may be
// redacted.
func hasSecret(r *mesh.Resource) bool {
	for _, field := range []string{"tls_certificate", "validation_context", "session_ticket_keys", "generic_secret"} {
		if raw := r.PeekRaw(field); len(raw) > len("{}") {
			return true
		}
	}
	return false
}

// secretUses are the uses of the secrets that listeners and clusters ask for by SDS.
type secretUses map[string][]secretUse

func secretUsesOf(pass *analyze.Pass, p *mesh.Proxy) secretUses {
	return analyze.OnceForProxy(pass, p, func() secretUses { return findSecretUses(pass, p) })
}

func findSecretUses(pass *analyze.Pass, p *mesh.Proxy) secretUses {
	uses := secretUses{}
	var routed map[string][]placed
	for _, r := range slices.Concat(p.Listeners, p.Clusters) {
		if r.Content == nil || r.State != mesh.Active && r.State != mesh.Warming {
			continue
		}
		asked := analyze.Once(pass, r.Content, func() secretNames { return secretsOf(pass, r) })
		if len(asked) == 0 {
			continue
		}
		if routed == nil {
			routed = referencesByCluster(pass, p)
		}
		use := secretUse{in: r, severity: analyze.Error, harmless: harmless(p, r, routed)}
		if use.harmless != "" {
			use.severity = analyze.Warning
		}
		for _, s := range asked {
			use.path = s.path
			uses[s.name] = append(uses[s.name], use)
		}
	}
	return uses
}

// secretNames are the secrets that a resource asks for.
type secretNames []secretName

type secretName struct{ name, path string }

func secretsOf(pass *analyze.Pass, r *mesh.Resource) secretNames {
	var out secretNames
	if r.Kind == mesh.Cluster {
		// There are many clusters: their JSON is enough.
		out = clusterSecrets(r.PeekRaw("transport_socket"), out)
		for _, match := range rawjson.Elements(r.PeekRaw("transport_socket_matches")) {
			out = clusterSecrets(rawjson.Get(match, "transport_socket"), out)
		}
		return out
	}
	for _, chain := range filterChains(pass, r) {
		common := chain.tls.GetCommonTlsContext()
		configs := slices.Clone(common.GetTlsCertificateSdsSecretConfigs())
		configs = append(configs, common.GetValidationContextSdsSecretConfig(), common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig())
		for _, c := range configs {
			out = out.with(c, chain.label)
		}
	}
	return out
}

// with adds a secret that comes by SDS; a static one has no sds_config.
func (n secretNames) with(c *tlsv3.SdsSecretConfig, path string) secretNames {
	if c.GetSdsConfig() == nil || c.GetName() == "" {
		return n
	}
	return append(n, secretName{c.GetName(), path})
}

func clusterSecrets(socket []byte, out secretNames) secretNames {
	common := rawjson.Get(socket, "typed_config", "common_tls_context")
	configs := rawjson.Elements(rawjson.Get(common, "tls_certificate_sds_secret_configs"))
	configs = append(configs,
		rawjson.Get(common, "validation_context_sds_secret_config"),
		rawjson.Get(common, "combined_validation_context", "validation_context_sds_secret_config"))
	for _, c := range configs {
		name := secretName{name: rawjson.GetText(c, "name")}
		if name.name != "" && rawjson.Get(c, "sds_config") != nil && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func reportSecret(pass *analyze.Pass, g *gathering, p *mesh.Proxy, r *mesh.Resource, uses []secretUse) {
	name := r.Name()
	f := analyze.Finding{Ref: p.Ref(mesh.Secret, name), Source: r.Source, Essence: "missing", Object: secretObject(p, name)}
	var worst secretUse
	for _, u := range uses {
		in := analyze.Location{Ref: p.Ref(u.in.Kind, u.in.Name()), Source: u.in.Source, Message: "asks for it"}
		in.Ref.Path = u.path
		f.Related = append(f.Related, in)
		if u.severity > worst.severity {
			worst = u
		}
	}
	why, hurts := "was delivered empty", worst.hurts()
	f.Severity = worst.severity
	if r.State == mesh.Warming {
		why = "was asked for and never delivered"
	}
	if r.State == mesh.Warming && !r.Updated.IsZero() {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "asked for", Value: r.Updated.UTC().Format(time.RFC3339)})
		ago, sure := g.waited(p, r.Updated)
		if !sure {
			f.Severity, f.Confidence = min(f.Severity, analyze.Warning), analyze.Likely
		}
		if ago <= warmingPatience {
			f.Severity, why, hurts = analyze.Info, "was asked for "+age(ago)+" before the capture and not delivered yet", "it may be on its way"
		}
	}
	f.Message = fmt.Sprintf("%s %s, and %s %s needs it: %s", name, why, worst.in.Kind, worst.in.Name(), hurts)
	pass.Report(f)
}

// hurts says what the lack of the secret does there.
func (u secretUse) hurts() string {
	switch {
	case u.harmless != "":
		return u.harmless
	case u.in.State == mesh.Warming && u.in.Kind == mesh.Listener:
		return "it does not accept connections"
	}
	return "its TLS connections fail"
}

// secretObject is the Kubernetes Secret behind a gateway's secret: istiod names
// them "kubernetes://NAME" and "kubernetes-gateway://NAMESPACE/NAME".
func secretObject(p *mesh.Proxy, name string) string {
	if rest, ok := strings.CutPrefix(name, "kubernetes-gateway://"); ok {
		return "Secret " + rest
	}
	rest, ok := strings.CutPrefix(name, "kubernetes://")
	switch {
	case !ok:
		return ""
	case strings.Contains(rest, "/"):
		return "Secret " + rest
	}
	return "Secret " + p.Namespace + "/" + rest
}
