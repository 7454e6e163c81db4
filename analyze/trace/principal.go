package trace

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// workloadPrincipal is the SPIFFE id that a proxy shows: that of its workload
// certificate, else one made of service account, namespace and trust domain in the
// metadata of its node.
func workloadPrincipal(p *mesh.Proxy) string {
	for _, r := range p.Secrets {
		if r.State != mesh.Active || r.Name() != "default" {
			continue
		}
		if id := certificateID(r); id != "" {
			return id
		}
	}
	if p.Bootstrap == nil {
		return ""
	}
	bootstrap, err := p.Bootstrap.Bootstrap()
	if err != nil {
		return ""
	}
	fields := bootstrap.GetNode().GetMetadata().GetFields()
	account, domain := fields["SERVICE_ACCOUNT"].GetStringValue(), "cluster.local"
	if own := fields["MESH_ID"].GetStringValue(); own != "" && strings.Contains(own, ".") {
		domain = own
	}
	if account == "" || p.Namespace == "" {
		return ""
	}
	return "spiffe://" + domain + "/ns/" + p.Namespace + "/sa/" + account
}

func certificateID(r *mesh.Resource) string {
	secret, err := r.Secret()
	if err != nil {
		return ""
	}
	block, _ := pem.Decode(secret.GetTlsCertificate().GetCertificateChain().GetInlineBytes())
	if block == nil {
		return ""
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil || len(certificate.URIs) == 0 {
		return ""
	}
	return certificate.URIs[0].String()
}

// addressText is an address without a port of 0; empty for none.
func addressText(a netip.AddrPort) string {
	switch {
	case !a.IsValid():
		return ""
	case a.Port() == 0:
		return a.Addr().String()
	}
	return a.String()
}
