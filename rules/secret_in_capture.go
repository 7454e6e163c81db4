package rules

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// SecretInCapture reports secrets that would leave with the capture. It never
// prints one.
var SecretInCapture = &analyze.Rule{
	Name:       "secret-in-capture",
	Code:       "SEC03",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Doc: analyze.Doc{
		Title: "the capture holds a secret in clear",
		Finds: "Values of fields that Envoy's API marks as sensitive (`udpa.annotations.sensitive`: private keys, passwords, session ticket keys, generic secrets, tokens) in secrets, clusters, listeners, routes, extensions and the bootstrap; " +
			"literal credentials that a route or a filter adds as header (`authorization`, `proxy-authorization`, `cookie`, `x-api-key`); Kubernetes Secrets with values. The finding names the place and never the value.",
		Hurts:   "Nothing breaks. Whoever gets the capture gets the secret: attach it to a ticket, and a private key is public.",
		Example: `"tls_certificate": {"private_key": {"inline_bytes": "LS0tLS1CRUdJTiBQUklWQVRF..."}} # Envoy itself prints W3JlZGFjdGVkXQ==`,
		Silent:  "`[redacted]`, which Envoy's admin interface prints in their place; file names and environment variables, which point to a secret without holding it; header values made of `%FORMAT%` operators; Secrets without values or with certificates only. Keys of JWT providers are the business of `jwt-jwks-fetch-failed`.",
		Fix:     "share what `meshray redact` makes of the capture, and replace what has got out",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--config_dump",
			"https://github.com/envoyproxy/envoy/issues/19059",
			"https://github.com/envoyproxy/envoy/issues/10096",
		},
	},
	Run: runSecretInCapture,
}

// carriers are the resources that may hold secrets.
var carriers = []mesh.ResourceKind{mesh.Bootstrap, mesh.Cluster, mesh.Listener, mesh.Route, mesh.Secret, mesh.Extension}

func runSecretInCapture(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		views := []*mesh.Config{&p.Config}
		if p.Pilot != nil {
			views = append(views, p.Pilot)
		}
		for _, view := range views {
			for _, kind := range carriers {
				for _, r := range view.Resources(kind) {
					reportSecrets(pass, p, r)
				}
			}
		}
	}
	reportKubernetesSecrets(pass)
}

func reportSecrets(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource) {
	if r.Content == nil {
		return
	}
	for _, field := range analyze.Once(pass, r.Content, func() sensitiveFields { return findSensitive(r) }) {
		pass.Report(analyze.Finding{
			Ref: p.Ref(r.Kind, r.Name()), Source: r.Source,
			Message: fmt.Sprintf("%s of %s %s is in the capture in clear", field, r.Kind, r.Name()),
		})
	}
}

// reportKubernetesSecrets reports Secret objects with values, each once.
func reportKubernetesSecrets(pass *analyze.Pass) {
	var seen []string
	for _, doc := range pass.Capture.Objects {
		objects, _ := doc.Get()
		for _, o := range objects {
			name := o.Namespace + "/" + o.Name
			keys := secretKeys(o)
			if o.Kind != "Secret" || o.APIVersion != "v1" || len(keys) == 0 || slices.Contains(seen, name) {
				continue
			}
			seen = append(seen, name)
			pass.Report(analyze.Finding{
				Ref:      mesh.Ref{Kind: "Secret", Name: name},
				Source:   mesh.Source{File: doc.Source.File, Line: o.Line},
				Object:   "Secret " + name,
				Message:  fmt.Sprintf("%s of Secret %s: its values are in the capture in clear", keys[0], name),
				Evidence: []analyze.Evidence{{Name: "keys", Value: strings.Join(keys[:min(len(keys), listedTargets)], ", ")}},
			})
		}
	}
}

// secretKeys are the keys of a Secret that have a value, sorted.
func secretKeys(o mesh.Object) []string {
	var keys []string
	for _, field := range []string{"data", "stringData"} {
		values, _ := o.Fields[field].(map[string]any)
		for key, value := range values {
			if text, _ := value.(string); text != "" && !isRedacted(text) && !isCertificate(text) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// isCertificate reports whether a value, in base64 or as it is, is PEM without a
// private key.
func isCertificate(text string) bool {
	if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
		text = string(raw)
	}
	return strings.Contains(text, "BEGIN CERTIFICATE") && !strings.Contains(text, "PRIVATE KEY")
}
