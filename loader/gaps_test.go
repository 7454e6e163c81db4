package loader_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/loader"
)

// standIns answer for kubectl and curl, each proxy with its own dump.
const standIns = `
answer() { case "$1" in
config_dump*) printf '{"configs": [{"@type": "x.BootstrapConfigDump", "bootstrap": {"node": {"id": "%s"}}},
  {"@type": "x.EndpointsConfigDump"}, {"@type": "x.SecretsConfigDump"}]}' "$2" ;;
clusters*) echo '{"cluster_statuses": [{"name": "one"}]}' ;;
stats/prometheus) printf '# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n' ;;
certs) echo '{"certificates": []}' ;;
server_info) echo '{"version": "x", "state": "LIVE", "command_line_options": {}}' ;;
/debug/config_dump*) echo '{"configs": [{"@type": "x.ClustersConfigDump", "dynamicActiveClusters": [{"cluster": {"name": "one"}}]}]}' ;;
/debug/syncz) echo '[{"proxy": "a-1.ns", "cluster_sent": "x", "cluster_acked": "x"}]' ;;
/debug/registryz) echo '[{"hostname": "a", "ports": []}]' ;;
yaml) printf 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n' ;;
esac; }
kubectl() { for last; do :; done; answer "$last" "sidecar~10.0.0.1~$4.$3~x"; }
curl() { port=${2#http://127.0.0.1:}; answer "${port#*/}" "edge-${port%%/*}"; }
`

const (
	podDump  = `{"configs": [{"@type": "x.BootstrapConfigDump", "bootstrap": {"node": {"id": "sidecar~10.0.0.1~POD~x"}}}]}`
	edgeDump = `{"configs": [{"@type": "x.BootstrapConfigDump", "bootstrap": {"node": {"id": "edge-PORT"},
  "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": PORT}}}}}]}`
)

// TestGapsClose runs the commands that info prints in the folder of the capture:
// what they save belongs to the proxies that lacked it, and nothing is missing then.
func TestGapsClose(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a POSIX shell to run the commands")
	}
	pod := func(name string) string { return strings.ReplaceAll(podDump, "POD", name) }
	edge := func(port string) string { return strings.ReplaceAll(edgeDump, "PORT", port) }
	for name, files := range map[string]map[string]string{
		"one pod":             {"config_dump.json": pod("a-1.ns")},
		"pods in one folder":  {"a.json": pod("a-1.ns"), "b.json": pod("b-0.ns"), "c.json": pod("c.other")},
		"stats of one of two": {"a.json": pod("a-1.ns"), "b.json": pod("b-0.ns"), "ns/b-0/stats": "server.live: 1\n"},
		"pods in a bug-report": {
			"bug-report/proxies/ns/a-1/config_dump?include_eds": pod("a-1.ns"),
			"bug-report/proxies/ns/b-0/istio-proxy.log":         "2026-01-02T03:04:05.123456Z\tinfo\tstarting\n",
		},
		"an Envoy":    {"config_dump.json": edge("9901")},
		"two Envoys":  {"one.json": edge("9901"), "two.json": edge("9902")},
		"istioctl pc": {"pc/cluster.json": `[{"name": "one", "connectTimeout": "1s"}]`, "pc/listener.json": `[{"name": "l", "filterChains": []}]`, "pc/bootstrap.json": `{"bootstrap": {"node": {"id": "sidecar~10.0.0.1~a-1.ns~x"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for path, data := range files {
				writeFile(t, filepath.Join(dir, filepath.FromSlash(path)), data)
			}
			capture := loadPath(t, dir)
			want := pods(capture)
			// Commands for Envoys outside of pods ask one of them at a time.
			for range len(want) {
				for _, g := range capture.Gaps() {
					if out, err := exec.Command(shell, "-c", "cd \"$0\" || exit 1\n"+standIns+g.Command, dir).CombinedOutput(); err != nil {
						t.Fatalf("%s: %v: %s", g.Command, err, out)
					}
				}
				capture = loadPath(t, dir)
			}
			if got := pods(capture); !slices.Equal(got, want) {
				t.Errorf("got proxies %v, want %v:\n%s", got, want, summary(capture))
			}
			for _, g := range capture.Gaps() {
				t.Errorf("still missing: %s, by %s\n%s", g.What, g.Command, summary(capture))
			}
		})
	}
}

func writeFile(t *testing.T, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func loadPath(t *testing.T, dir string) *mesh.Capture {
	t.Helper()
	capture, err := loader.Load([]string{dir}, nil, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

// pods are the proxies of a capture, however often each was captured.
func pods(c *mesh.Capture) []string {
	var names []string
	for _, p := range c.Proxies {
		names = append(names, p.Name+"."+p.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
