package loader

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/meshray/meshray/analyze/mesh"
)

var (
	clustersLine  = regexp.MustCompile(`^\S.*::(observability_name|default_priority|high_priority|added_via_api|eds_service_name)::`)
	listenerLine  = regexp.MustCompile(`^[^:\s]+(::?[^:\s]*)*::(\[?[0-9a-fA-F.:]+\]?:\d+|@?/\S+)$`)
	statsLine     = regexp.MustCompile(`^[\w.|:~\-\[\];/*@]+: (\d+|"[^"]*"|P0\(|No recorded)`)
	promLine      = regexp.MustCompile(`^(# (TYPE|HELP) |[a-zA-Z_:][\w:]*(\{.*\})? [-+0-9.eEnNaIf]+$)`)
	yamlKubeLine  = regexp.MustCompile(`^(apiVersion|kind|items):`)
	yamlEnvoyHead = regexp.MustCompile(`^(configs:|bootstrap:|['"]?@type['"]?: ['"]?type\.googleapis\.com/envoy\.|(dynamic|static)(_active|_warming|Active|Warming)?(_s|S)ecrets:)`)
	yamlListHead  = regexp.MustCompile(`^- ['"]?@?\w+['"]?:( |\r?$)`)
	yamlEnvoyKey  = regexp.MustCompile(`(?m)^(- |  )(['"]?@type['"]?: ['"]?type\.googleapis\.com/envoy\.|(connectTimeout|connect_timeout|virtualHosts|virtual_hosts|filterChains|filter_chains|clusterName|cluster_name|` +
		`hostStatuses|host_statuses|loadAssignment|load_assignment|tlsCertificate|tls_certificate|validationContext|validation_context):)`)
	yamlBootLine  = regexp.MustCompile(`^(node|admin|static_resources|staticResources|dynamic_resources|dynamicResources):`)
	logLine       = regexp.MustCompile(`^(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,\d]*\]\[|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*(Z|[+-]\d\d:?\d\d)?\s|\[Envoy |\d{4}/\d\d/\d\d |[IWEF]\d{4} \d\d:|\{"(level|time|ts|severity)")`)
	accessLine    = regexp.MustCompile(`^\[\d{4}-\d\d-\d\d[T ][^\]]*\] "`)
	analysisLine  = regexp.MustCompile(`^(Info|Warning|Error) \[IST\d{4}\]`)
	kubectlLine   = regexp.MustCompile(`^(NAMESPACE|NAME|LAST SEEN) {2,}[A-Z]|^(Client|Server) Version:|^Name: {3,}`)
	requestsLine  = regexp.MustCompile(`^\{"(id|request|proxy)":.*"request":`)
	kubectlErrors = regexp.MustCompile(`^(error:|Error from server|command terminated with exit code|Unable to connect|Proxy not connected|You must provide a proxyID|FieldMask .* could not)`)
)

// textKinds are tried in order on each line of a text; the first line that one of
// them knows decides.
var textKinds = []struct {
	line *regexp.Regexp
	kind mesh.FileKind
}{
	{regexp.MustCompile(`^-----BEGIN `), mesh.KindCertificate},
	{regexp.MustCompile(`^Active Internet connections`), mesh.KindNetstat},
	{regexp.MustCompile(`^CLI version:`), mesh.KindVersions},
	{requestsLine, mesh.KindRequests},
	{clustersLine, mesh.KindClusters},
	{yamlKubeLine, mesh.KindKubernetes},
	{yamlBootLine, mesh.KindBootstrap},
	{promLine, mesh.KindStats},
	{analysisLine, mesh.KindAnalysis},
	{kubectlLine, mesh.KindKubectlText},
	{logLine, mesh.KindLog},
	{accessLine, mesh.KindAccessLog},
	{statsLine, mesh.KindStats},
	{listenerLine, mesh.KindListeners},
}

func sniffText(name string, data []byte) mesh.FileKind {
	head := data[:min(len(data), sniffBytes)]
	if bytes.IndexByte(head, 0) >= 0 || !mostlyText(head) {
		return mesh.KindUnknown
	}
	lines := strings.Split(string(head), "\n")
	if len(head) < len(data) && len(lines) > 1 {
		lines = lines[:len(lines)-1]
	}
	if envoyYAML(head) {
		return mesh.KindConfigDump
	}
	for _, line := range lines {
		for _, t := range textKinds {
			if t.line.MatchString(strings.TrimRight(line, "\r")) {
				return t.kind
			}
		}
	}
	switch base := path.Base(name); {
	case strings.HasSuffix(base, ".log"):
		return mesh.KindLog
	case base == "cluster-context" || base == "describe-pods":
		return mesh.KindKubectlText
	}
	return mesh.KindText
}

// envoyYAML reports whether a text begins as YAML of Envoy: a bootstrap, a dump, or a list of
// resources. Its lines look like statistics, too.
func envoyYAML(head []byte) bool {
	for line := range bytes.Lines(head) {
		if text := bytes.TrimSpace(line); len(text) == 0 || text[0] == '#' || string(text) == "---" {
			continue
		}
		return yamlEnvoyHead.Match(line) || yamlListHead.Match(bytes.TrimRight(line, "\n")) && yamlEnvoyKey.Match(head)
	}
	return false
}

// mostlyText tells text with a few broken bytes from binary data.
func mostlyText(head []byte) bool {
	bad := 0
	for i := 0; i < len(head); {
		r, size := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && size == 1 || r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\x1b' {
			bad++
		}
		i += size
	}
	return bad*10 < len(head)
}
