package loader

import "testing"

func TestBuildVersion(t *testing.T) {
	tests := []struct{ text, want string }{
		{"9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL", "1.40.0"},
		{"0/1.8.0-dev//RELEASE", "1.8.0-dev"},
		{"envoy 267af54a/1.5.0/Clean/RELEASE live 6 6 0", "1.5.0"},
		{"1.34.1", "1.34.1"},
		{"9e5580933739775e8bce696a57a2e1bc99368f23/Clean", ""},
		{"1./x", ""},
		{"", ""},
	}
	for _, test := range tests {
		if got := buildVersion(test.text); got != test.want {
			t.Errorf("buildVersion(%q): got %q, want %q", test.text, got, test.want)
		}
	}
}
