package match

import (
	"testing"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

func TestHost(t *testing.T) {
	dot, matching, anyPort := HostOptions{StripTrailingDot: true}, HostOptions{StripMatchingPort: true, ListenerPort: 80}, HostOptions{StripAnyPort: true}
	tests := []struct {
		authority string
		options   HostOptions
		want      string
	}{
		{"Shop.example:80", HostOptions{}, "Shop.example:80"},
		{"shop.example:80", matching, "shop.example"},
		{"shop.example:8080", matching, "shop.example:8080"},
		{"shop.example:080", matching, "shop.example"},
		{"shop.example:", anyPort, "shop.example:"},
		{"shop.example:http", anyPort, "shop.example:http"},
		{"shop.example:8080", anyPort, "shop.example"},
		{"[::1]:80", matching, "[::1]"},
		{"[::1]", anyPort, "[::1]"},
		{"shop.example.", dot, "shop.example"},
		{"shop.example.:80", dot, "shop.example:80"},
		{"shop", dot, "shop"},
		{"shop.example.:80", HostOptions{StripTrailingDot: true, StripAnyPort: true}, "shop.example"},
		{"", HostOptions{StripTrailingDot: true, StripAnyPort: true}, ""},
	}
	for _, test := range tests {
		if got := Host(test.authority, test.options); got != test.want {
			t.Errorf("Host(%q, %+v): got %q, want %q", test.authority, test.options, got, test.want)
		}
	}
	hcm := &hcmv3.HttpConnectionManager{StripTrailingHostDot: true, StripPortMode: &hcmv3.HttpConnectionManager_StripAnyHostPort{StripAnyHostPort: true}}
	if got, want := HostOptionsOf(hcm, 80), (HostOptions{StripTrailingDot: true, StripAnyPort: true, ListenerPort: 80}); got != want {
		t.Errorf("HostOptionsOf: got %+v, want %+v", got, want)
	}
	if got := WithoutPort("[::1]:80"); got != "[::1]" {
		t.Errorf("WithoutPort: got %q, want [::1]", got)
	}
}

// What Envoy 1.40 was seen to make of paths: n for normalize_path, m for
// merge_slashes, and the first letter of the escaped slashes action.
func TestPath(t *testing.T) {
	tests := []struct{ options, path, want string }{
		{"", "/a/../b//c%2fd", "/a/../b//c%2fd"},
		{"", "/a#b", "400"},
		{"nm", "/a?b#c", "400"},
		{"n", "/a/./b/../c", "/a/c"},
		{"n", "/a/..", "/"},
		{"n", "/../../a", "/a"},
		{"n", "/a/%2e%2E/b/%2e", "/b/"},
		{"n", "/a.b/..c/.../d.", "/a.b/..c/.../d."},
		{"n", `\a\..\b`, "/b"},
		{"n", "/%41%7e%2D%25%2f%zz%4", "/A~-%25%2f%zz%4"},
		{"n", `/"<>^|{}` + "`~!$&'()*+,;=:@[]", "/%22%3C%3E%5E%7C%7B%7D%60~!$&'()*+,;=:@[]"},
		{"n", "/%4%41", "/%254A"},
		{"n", "/%%34A", "/%254A"},
		{"n", "/%%34%41", "/%254A"},
		{"n", "/a%00b", "400"},
		{"n", "/a//../b", "/a/b"},
		{"n", "/a/..;x=1/b", "/b"},
		{"n", "/a/.;/b", "/a/b"},
		{"n", "/a/..;x", "/"},
		{"n", "/a/%2e%2e;x/b", "/a/..;x/b"},
		{"n", `/a/b\..;x/c`, "/a/b/..;x/c"},
		{"n", "/a?b/../c%41", "/a?b/../c%41"},
		{"n", "", "/"},
		{"m", "//a///b//?x=//", "/a/b/?x=//"},
		{"m", "//", "//"},
		{"m", "/a%2f/b", "/a%2f/b"},
		{"nm", "/a//../b", "/a/b"},
		{"R", "/a%2Fb", "400"},
		{"R", "/a?b%2F", "/a?b%2F"},
		{"R", "/a%25", "/a%25"},
		{"F", "/a%2fb%5Cc?%2f", `/a/b\c?%2f`},
		{"F", "/a%252fb", "/a%252fb"},
		{"D", "/a%2Fb", "307 /a/b"},
		{"D", "/a/b", "/a/b"},
		{"Dn", "/a%2F..%5cb", "307 /b"},
		{"Fnm", "/x%2f..;%5cA/b", "/b"},
		{"Fnm", "/a%2f%2Fb", "/a/b"},
	}
	for _, test := range tests {
		t.Run(test.options+test.path, func(t *testing.T) {
			path, action := Path(test.path, pathOptions(test.options))
			switch got := outcomeText(path, action); {
			case got != test.want:
				t.Errorf("got %q, want %q", got, test.want)
			case action == PathReject && path != test.path:
				t.Errorf("a rejected path: got %q, want it as it was", path)
			}
		})
	}
}

func outcomeText(path string, action PathAction) string {
	switch action {
	case PathReject:
		return "400"
	case PathRedirect:
		return "307 " + path
	}
	return path
}

func pathOptions(letters string) PathOptions {
	o := PathOptions{EscapedSlashes: hcmv3.HttpConnectionManager_KEEP_UNCHANGED}
	for _, letter := range letters {
		switch letter {
		case 'n':
			o.Normalize = true
		case 'm':
			o.MergeSlashes = true
		case 'R':
			o.EscapedSlashes = hcmv3.HttpConnectionManager_REJECT_REQUEST
		case 'D':
			o.EscapedSlashes = hcmv3.HttpConnectionManager_UNESCAPE_AND_REDIRECT
		case 'F':
			o.EscapedSlashes = hcmv3.HttpConnectionManager_UNESCAPE_AND_FORWARD
		}
	}
	return o
}
