package mesh

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
)

func sidecar(name string, kinds ...ResourceKind) *Proxy {
	p := &Proxy{ID: "sidecar~10.0.0.1~" + name + ".ns~x", Name: name, Namespace: "ns", Kind: Sidecar}
	for _, kind := range kinds {
		p.Sections = append(p.Sections, Section{Kind: kind})
	}
	return p
}

func TestGaps(t *testing.T) {
	whole := sidecar("whole", Bootstrap, Cluster, Endpoint, Secret)
	whole.Bootstrap = &Resource{}
	whole.ClusterStatus, whole.Stats, whole.ServerInfo = &Doc[*adminv3.Clusters]{}, &Doc[*Stats]{}, &Doc[*adminv3.ServerInfo]{}
	whole.Pilot = &Config{}
	twice := sidecar("whole") // another capture of it, which has nothing
	silent := sidecar("silent")
	noEDS := sidecar("no-eds", Bootstrap, Cluster, Secret)
	noEDS.Bootstrap = &Resource{}

	capture := &Capture{Proxies: []*Proxy{whole, twice, silent, noEDS}}
	var got []string
	for _, g := range capture.Gaps() {
		var of []string
		for _, p := range g.Proxies {
			of = append(of, p.Name)
		}
		line := g.What + ": " + strings.Join(of, " ")
		if g.Essential {
			line = "! " + line
		}
		got = append(got, line)
	}
	want := []string{
		"! syncz: ", "! config_dump: silent", "! endpoints: no-eds",
		"registryz: ", "istiod's view: no-eds", "Kubernetes objects: ",
		"clusters, stats: silent no-eds", "certs: silent", "server_info: silent no-eds",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if gaps := (&Capture{Proxies: []*Proxy{whole}}).Gaps(); len(gaps) != 3 {
		t.Errorf("a whole proxy lacks %v, want syncz, registryz and Kubernetes objects only", gaps)
	}
}

// TestGapCommands runs every command with stand-ins for kubectl and curl: names
// come from the capture, and none of them may end a word or become a command.
func TestGapCommands(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a POSIX shell to parse the commands")
	}
	evil := &Proxy{ID: "a~b~c~d", Name: `x'; touch pwned; echo "$(id)`, Namespace: "ns`id`", Kind: Sidecar}
	plain := sidecar("plain")
	outside := &Proxy{Name: "edge", Kind: OtherProxy}
	for _, proxies := range [][]*Proxy{{evil}, {plain}, {evil, plain}, {outside}} {
		for _, g := range (&Capture{Proxies: proxies}).Gaps() {
			dir := t.TempDir()
			script := "kubectl() { printf '<%s>' \"$@\"; }; curl() { kubectl \"$@\"; }; cd \"$1\" || exit 1\n" + g.Command
			if out, err := exec.Command(shell, "-c", script, "sh", dir).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", g.Command, err, out)
			}
			if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
				t.Errorf("a name of the capture was run as a command: %s", g.Command)
			}
		}
	}
}
