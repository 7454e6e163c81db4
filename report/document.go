// Package report writes down what a capture shows: one [Document], and a writer
// for each format.
//
// A Document is a plain value without a pointer into the capture. It survives a
// round trip through JSON, so that a page can be made from a saved one, and the
// writers are tested on documents written by hand. Every text from the capture
// is a [Text], which prints as visible characters only.
package report

// SchemaVersion is the version of the JSON form of a Document. It rises when a
// field changes its meaning or goes away; new fields do not raise it.
const SchemaVersion = 1

// Document is the content of a report.
type Document struct {
	SchemaVersion int  `json:"schemaVersion"`
	Title         Text `json:"title"`
	Tool          Tool `json:"tool"`
	// Verdict is one sentence for who reads nothing else.
	Verdict Text    `json:"verdict"`
	Summary Summary `json:"summary"`
	Capture Capture `json:"capture"`
	// Rules are those that were asked for, sorted by name.
	Rules []Rule `json:"rules"`
	// Findings are sorted, the worst first.
	Findings []Finding `json:"findings"`
	// Unchecked are the judgements that could not be made.
	Unchecked []Skip `json:"unchecked"`
	Sync      Sync   `json:"sync"`
	// Proxies are sorted by key.
	Proxies []Proxy `json:"proxies"`
}

// Tool is the program that made the report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// Summary are the counters of the first screen.
type Summary struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Infos    int `json:"infos"`
	Proxies  int `json:"proxies"`
	// Affected are the proxies with an error or a warning.
	Affected int `json:"affectedProxies"`
	// NotSynced are the proxies whose state is ERROR or STALE.
	NotSynced int `json:"notSyncedProxies"`
	Files     int `json:"files"`
	// Damaged and Unknown are files that were read in part or not understood.
	Damaged int `json:"damagedFiles"`
	Unknown int `json:"unknownFiles"`
	// Unchecked are the rules that could not judge some or all proxies.
	Unchecked int `json:"uncheckedRules"`
}

// Capture is what the report was made from.
type Capture struct {
	// Names are the files and folders that were opened, without their folders.
	Names []Text `json:"names"`
	// AsOf is the moment that ages and validity are counted from, in RFC 3339;
	// empty where the capture knows none.
	AsOf string `json:"asOf,omitempty"`
	// AsOfAsked is set where the user named that moment, not the capture.
	AsOfAsked     bool           `json:"asOfAsked,omitempty"`
	ControlPlanes []ControlPlane `json:"controlPlanes"`
	Inputs        []Input        `json:"inputs"`
	Problems      []Problem      `json:"problems"`
	Missing       []Gap          `json:"missing"`
}

// ControlPlane is one istiod.
type ControlPlane struct {
	Name      Text `json:"name"`
	Namespace Text `json:"namespace,omitempty"`
	Revision  Text `json:"revision,omitempty"`
	Version   Text `json:"version,omitempty"`
	// Connected counts the proxies that it lists.
	Connected int `json:"connectedProxies"`
}

// Input is a mesh.Input: one file and what became of it.
type Input struct {
	Path   Text   `json:"path"`
	Kind   string `json:"kind"`
	Fate   string `json:"fate"`
	Reason Text   `json:"reason,omitempty"`
	Size   int64  `json:"size"`
	Owner  Text   `json:"owner,omitempty"`
}

// Problem is a mesh.Problem: damage or doubt.
type Problem struct {
	Place   Place `json:"place"`
	Message Text  `json:"message"`
}

// Gap is a mesh.Gap: something that was not captured, and how to capture it.
type Gap struct {
	What      string  `json:"what"`
	Why       string  `json:"why"`
	Essential bool    `json:"essential"`
	Proxies   []Text  `json:"proxies,omitempty"`
	Command   Command `json:"command"`
}

// Place is a place in the capture.
type Place struct {
	File Text `json:"file"`
	// Line counts from 1; 0 where it is not known.
	Line int `json:"line,omitempty"`
	// Pointer is a JSON pointer (RFC 6901).
	Pointer Text `json:"pointer,omitempty"`
}

// Rule is an analyze.Rule and how it went.
type Rule struct {
	Name  string `json:"name"`
	Code  string `json:"code"`
	Title string `json:"title"`
	// Hurts says why the fault breaks traffic.
	Hurts    string `json:"hurts"`
	Findings int    `json:"findings"`
}

// Finding is an analyze.Finding.
type Finding struct {
	Rule       string `json:"rule"`
	Code       string `json:"code"`
	Severity   string `json:"severity"`
	Confidence string `json:"confidence"`
	Category   string `json:"category"`
	Message    Text   `json:"message"`
	// Where is the resource, without the proxy; empty for the proxy itself.
	Where  Text `json:"where,omitempty"`
	Object Text `json:"object,omitempty"`
	Fix    Text `json:"fix,omitempty"`
	// Command captures what is missing, where that is the fix.
	Command  Command    `json:"command,omitempty"`
	Place    Place      `json:"place"`
	Evidence []Evidence `json:"evidence,omitempty"`
	Related  []Related  `json:"related,omitempty"`
	// Proxies are the keys of those that have the fault, sorted.
	Proxies []Text `json:"proxies,omitempty"`
	// Hits are the places whose requests meet the fault, the largest share first, and
	// AllHits is their number where these were cut off.
	Hits        []Hit  `json:"hits,omitempty"`
	AllHits     int    `json:"allHits,omitempty"`
	Fingerprint string `json:"fingerprint"`
}

// Hit is an analyze.Hit.
type Hit struct {
	Where Text `json:"where"`
	Route Text `json:"route,omitempty"`
	As    Text `json:"as,omitempty"`
	// Share is the percentage of the place's requests.
	Share float64 `json:"share"`
	// Words say all of it to a reader.
	Words Text `json:"words"`
}

// Evidence is a value that a finding rests on.
type Evidence struct {
	Name  Text `json:"name"`
	Value Text `json:"value"`
}

// Related is a further place of a finding.
type Related struct {
	Where   Text  `json:"where"`
	Message Text  `json:"message,omitempty"`
	Place   Place `json:"place"`
}

// Skip says that a rule could not judge some or all proxies.
type Skip struct {
	Rule    string   `json:"rule"`
	Missing []string `json:"missing"`
	// Proxies are the proxies that lack it; empty where the capture does.
	Proxies []Text `json:"proxies,omitempty"`
}

// Sync is what the control plane sent and the proxies took.
type Sync struct {
	Istiods []Text    `json:"istiods"`
	Notes   []Text    `json:"notes"`
	Rows    []SyncRow `json:"rows"`
}

// SyncRow is one proxy as one istiod sees it.
type SyncRow struct {
	Proxy  Text `json:"proxy"`
	Istiod Text `json:"istiod,omitempty"`
	// Version is the proxy's version of Istio.
	Version Text   `json:"version,omitempty"`
	Link    string `json:"link"`
	// State is the worst of Types.
	State string     `json:"state"`
	Types []SyncType `json:"types"`
}

// SyncType is the state of one xDS type.
type SyncType struct {
	Type  string `json:"type"`
	State string `json:"state"`
	// Age is the time since the latest push, such as "2m13s"; empty if unknown.
	Age    string `json:"age,omitempty"`
	Reason Text   `json:"reason,omitempty"`
}

// Proxy is one proxy and what it has.
type Proxy struct {
	Key          Text    `json:"key"`
	Kind         string  `json:"kind"`
	ID           Text    `json:"id,omitempty"`
	IstioVersion Text    `json:"istioVersion,omitempty"`
	EnvoyVersion Text    `json:"envoyVersion,omitempty"`
	Captured     string  `json:"captured,omitempty"`
	Errors       int     `json:"errors"`
	Warnings     int     `json:"warnings"`
	Counts       []Count `json:"counts"`
	// Unknown are the type URLs of sections that nobody here understands.
	Unknown []Text `json:"unknownSections,omitempty"`
	Files   []Text `json:"files"`
	// Tables are what proxy-config prints; a kind that was not captured has none.
	Tables []Table `json:"tables"`
}

// Count is the number of resources of a kind, by state.
type Count struct {
	Kind     string `json:"kind"`
	Active   int    `json:"active"`
	Warming  int    `json:"warming,omitempty"`
	Draining int    `json:"draining,omitempty"`
	Rejected int    `json:"rejected,omitempty"`
}

// Table is a table of a proxy's resources.
type Table struct {
	Title   string   `json:"title"`
	Columns []string `json:"columns,omitempty"`
	Rows    [][]Text `json:"rows,omitempty"`
	// Total is the number of rows that there are. It is more than len(Rows) where
	// limits were met, and -1 where the rows were not made for that reason.
	Total int `json:"total"`
	// SameAs is the key of a proxy with the same table, which has the rows.
	SameAs Text `json:"sameAs,omitempty"`
	// Command prints the whole table.
	Command Command `json:"command"`
}
