package rules

import (
	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// Hits finds what sends requests to the cluster, the endpoints or the secret that a
// finding is about, for [analyze.Options].
func Hits(pass *analyze.Pass, f *analyze.Finding) []analyze.Hit {
	p := proxiesByKey(pass)[f.Ref.Proxy]
	if p == nil || f.Ref.Name == "" {
		return nil
	}
	switch f.Ref.Kind {
	case mesh.Cluster:
		return hitsOf(referencesByCluster(pass, p)[f.Ref.Name])
	case mesh.Endpoint:
		var hits []analyze.Hit
		for _, c := range usedClusters(pass, p) {
			if assignmentName(c.Resource) == f.Ref.Name {
				hits = append(hits, hitsOf(c.refs)...)
			}
		}
		return hits
	case mesh.Secret:
		var hits []analyze.Hit
		for _, use := range secretUsesOf(pass, p)[f.Ref.Name] {
			if use.in.Kind == mesh.Cluster {
				hits = append(hits, hitsOf(referencesByCluster(pass, p)[use.in.Name()])...)
				continue
			}
			hits = append(hits, analyze.Hit{Ref: mesh.Ref{Kind: use.in.Kind, Name: use.in.Name(), Path: use.path}, As: "tls", Share: everything})
		}
		return hits
	}
	return nil
}

// keyedProxies are the proxies of the capture by key.
type keyedProxies map[string]*mesh.Proxy

func proxiesByKey(pass *analyze.Pass) keyedProxies {
	return analyze.Once(pass, nil, func() keyedProxies {
		byKey := keyedProxies{}
		for _, p := range pass.Capture.Proxies {
			byKey[p.Key()] = p
		}
		return byKey
	})
}

func hitsOf(refs []placed) []analyze.Hit {
	var hits []analyze.Hit
	for _, ref := range refs {
		hit := analyze.Hit{Ref: mesh.Ref{Kind: ref.in.Kind, Name: ref.in.Name(), Path: ref.path}, As: string(ref.use), Share: ref.share}
		if ref.route != nil {
			hit.Route = routeWords(ref.route, ref.index)
		}
		hits = append(hits, hit)
	}
	return hits
}
