package rules

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// IstiodReplicasDisagree reports istiods that do not know what others know.
var IstiodReplicasDisagree = &analyze.Rule{
	Name:       "istiod-replicas-disagree",
	Code:       "SYN09",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedReplicas, analyze.NeedTime},
	Doc: analyze.Doc{
		Title: "an istiod lacks services or configuration that another replica has",
		Finds: "Hosts of `debug/registryz` and objects of `debug/configz` that one istiod has and another of the same revision and version has not, though they were created more than ten minutes before the capture; " +
			"and objects of which one replica has nothing but older `resourceVersion`s, three at least.",
		Hurts: "Proxies get a different configuration depending on the replica that they are connected to: a part of the pods answers 404 NR or 503, or lacks a policy, and a restart seems to cure it.",
		Example: `istiod-a: [{"hostname": "cart.shop.svc.cluster.local", "creationTime": "2026-05-01T08:00:00Z"}]
istiod-b: []`,
		Silent: "istiods of different revisions, which may see different namespaces; different captures; objects that are younger, or whose age is not known, as the replicas were not captured in one moment. An object that was deleted just then looks the same: the finding is only likely.",
		Fix:    "restart the replica that lacks them; look for watch errors in its log, and at its permissions",
		References: []string{
			"https://istio.io/latest/docs/ops/diagnostic-tools/controlz/",
			"https://github.com/istio/istio/issues/54997",
		},
	},
	Run: runIstiodReplicasDisagree,
}

// replicaPatience is how far apart the captures of two replicas may be.
const replicaPatience = 10 * time.Minute

// manyOlder is the number of older objects that is no coincidence.
const manyOlder = 3

// knowledge is what an istiod knows: services by host, or objects by kind,
// namespace and name.
type knowledge map[string]known

type known struct {
	created time.Time
	// revision is the resourceVersion of an object; 0 where it is no number.
	revision uint64
}

func runIstiodReplicasDisagree(pass *analyze.Pass) {
	g := newGathering(pass.Capture)
	reports := append(servicesKnown(pass.Capture), objectsKnown(pass.Capture)...)
	for _, mine := range reports {
		for _, other := range reports {
			same := mine.endpoint == other.endpoint && mine.cp != other.cp && g.together(mine.cp, other.cp)
			if same && mine.cp.Revision == other.cp.Revision && mine.cp.Version == other.cp.Version {
				reportLag(pass, mine, other, mine.behind(other.knowledge, g.asOf(mine.cp)))
			}
		}
	}
}

// replicaReport is what one debug endpoint of an istiod says that it knows.
type replicaReport struct {
	cp *mesh.ControlPlane
	// endpoint is its name, and things are what it lists.
	endpoint, things string
	source           mesh.Source
	knowledge
}

func servicesKnown(c *mesh.Capture) []replicaReport {
	var out []replicaReport
	for _, cp := range c.ControlPlanes {
		doc := cp.Debug["registryz"]
		raw, err := doc.Get()
		if doc == nil || err != nil {
			continue
		}
		services := knowledge{}
		for _, s := range rawjson.Elements(raw) {
			if host := rawjson.GetText(s, "hostname"); host != "" {
				services[host] = known{created: parseTime(rawjson.GetText(s, "creationTime"))}
			}
		}
		out = append(out, replicaReport{cp, "registryz", "services", doc.Source, services})
	}
	return out
}

// objectsKnown reads debug/configz, which the capture has among the objects: it is
// of the istiod whose other files lie beside it.
func objectsKnown(c *mesh.Capture) []replicaReport {
	var out []replicaReport
	for _, doc := range c.Objects {
		folder := path.Dir(doc.Source.File)
		i := slices.IndexFunc(c.ControlPlanes, func(cp *mesh.ControlPlane) bool { return path.Dir(place(cp.Files)) == folder })
		if i < 0 || path.Base(doc.Source.File) != "configz" {
			continue
		}
		objects := knowledge{}
		for _, o := range rawjson.Elements(doc.Raw) {
			metadata := rawjson.Get(o, "metadata")
			name := fmt.Sprintf("%s %s/%s", rawjson.GetText(o, "kind"), rawjson.GetText(metadata, "namespace"), rawjson.GetText(metadata, "name"))
			// A version that is no number cannot be compared.
			revision, _ := strconv.ParseUint(rawjson.GetText(metadata, "resourceVersion"), 10, 64)
			objects[name] = known{parseTime(rawjson.GetText(metadata, "creationTimestamp")), revision}
		}
		out = append(out, replicaReport{c.ControlPlanes[i], "configz", "objects", doc.Source, objects})
	}
	return out
}

// lag is what an istiod lacks that another has.
type lag struct {
	missing, older []string
}

func (k knowledge) behind(other knowledge, now time.Time) lag {
	var l lag
	newer := false
	for _, name := range slices.Sorted(maps.Keys(other)) {
		mine, ok := k[name]
		theirs := other[name]
		switch {
		case !ok && !theirs.created.IsZero() && now.Sub(theirs.created) > replicaPatience:
			l.missing = append(l.missing, name)
		case ok && mine.revision != 0 && theirs.revision != 0:
			newer = newer || mine.revision > theirs.revision
			if mine.revision < theirs.revision {
				l.older = append(l.older, name)
			}
		}
	}
	if newer || len(l.older) < manyOlder {
		l.older = nil
	}
	return l
}

// parseTime reads RFC 3339; the zero time if text is something else.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

func reportLag(pass *analyze.Pass, mine, other replicaReport, l lag) {
	if len(l.missing)+len(l.older) == 0 {
		return
	}
	names, how := l.missing, "%d %s of another replica are missing: %s"
	if len(names) == 0 {
		names, how = l.older, "%d %s are older than in another replica: %s"
	}
	pass.Report(analyze.Finding{
		Ref:     mesh.Ref{Proxy: mine.cp.Key(), Name: mine.endpoint},
		Source:  mine.source,
		Message: fmt.Sprintf(how, len(names), mine.things, listNames(names, listedNames)),
		Essence: strings.Join(names, ", "),
		Related: []analyze.Location{{
			Ref: mesh.Ref{Proxy: other.cp.Key(), Name: other.endpoint}, Source: other.source, Message: "knows them",
		}},
	})
}
