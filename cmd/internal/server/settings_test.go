package server

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// given are the flags of a node with a value that is no default, and where it
// has to arrive.
var given = map[string]struct{ value, field, want string }{
	"node":                         {"sip7", "Name", "sip7"},
	"site":                         {"dc7", "Site", "dc7"},
	"data-dir":                     {"/data7", "DataDir", "/data7"},
	"bind":                         {"192.0.2.7", "Bind", "192.0.2.7"},
	"advertise":                    {"192.0.2.7,sip=192.0.2.8:5070", "Advertise", "[192.0.2.7 sip=192.0.2.8:5070]"},
	"bootstrap":                    {"true", "Bootstrap", "true"},
	"join":                         {"192.0.2.8:7002,192.0.2.9:7002", "Join", "[192.0.2.8:7002 192.0.2.9:7002]"},
	"invite-file":                  {"invite7", "InviteFile", "invite7"},
	"backup-dir":                   {"/backups7", "BackupDir", "/backups7"},
	"backup-every":                 {"7h", "BackupEvery", "7h0m0s"},
	"backup-keep":                  {"8", "BackupKeep", "8"},
	"backup-passphrase-file":       {"passphrase7", "BackupPassphraseFile", "passphrase7"},
	"call-records":                 {"/records7", "Records", "{/records7 67108864 10  }"},
	"call-records-size":            {"777777", "Records", "{ 777777 10  }"},
	"call-records-keep":            {"7", "Records", "{ 67108864 7  }"},
	"call-records-hook":            {"https://h7/", "Records", "{ 67108864 10 https://h7/ }"},
	"call-records-hook-token-file": {"token7", "Records", "{ 67108864 10  token7}"},
	"history-events":               {"777", "HistoryEvents", "777"},
	"call-trace-memory":            {"777777", "CallTrace", "777777"},
	"accept-recovery":              {"2-7", "AcceptRecovery", "2-7"},
	"join-timeout":                 {"7s", "JoinTimeout", "7s"},
	"realm":                        {"example.org", "Realm", "example.org"},
	"sip-addr":                     {":1", "SIPAddr", ":1"},
	"sip-tls-addr":                 {":2", "TLSAddr", ":2"},
	"sip-ws-addr":                  {":3", "WSAddr", ":3"},
	"sip-wss-addr":                 {":4", "WSSAddr", ":4"},
	"sip-tls-cert":                 {"cert.pem", "CertFile", "cert.pem"},
	"sip-tls-key":                  {"key.pem", "KeyFile", "key.pem"},
	"sip-tls-client-ca":            {"ca.pem", "ClientCAFile", "ca.pem"},
	"sip-ws-origin":                {"https://a.example,https://b.example", "Origins", "[https://a.example https://b.example]"},
	"http-tls-cert":                {"web.pem", "HTTPCertFile", "web.pem"},
	"http-tls-key":                 {"web.key", "HTTPKeyFile", "web.key"},
	"default-addr":                 {":5", "DefaultAddr", ":5"},
	"tc-addr":                      {":6", "TCAddr", ":6"},
	"cluster-addr":                 {":7", "ClusterAddr", ":7"},
	"gossip-addr":                  {":8", "GossipAddr", ":8"},
	"http-addr":                    {":9", "HTTPAddr", ":9"},
	"cluster-key-file":             {"", "ClusterKey", "the secret of all nodes"},
	"insecure":                     {"true", "Insecure", "true"},
	"link-timeout":                 {"8s", "LinkTimeout", "8s"},
	"sip-rate":                     {"9", "SIPRate", "9"},
	"raft-snapshot-after":          {"10", "SnapshotAfter", "10"},
	"dev":                          {"true", "Dev", "true"},
	"debug":                        {"true", "Debug", "true"},
	"log-level":                    {"warn", "", ""},
	"log-format":                   {"json", "", ""},
}

// Each flag arrives in its field of the node's settings, and in no other: from
// the command line, from the environment and from the file.
func TestServerFlags_EachArrivesWhereItBelongs(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(" the secret of all nodes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, g := range given {
		if name == "cluster-key-file" {
			g.value = key
		}
		ways := map[string]func() (*serverFlags, error){
			"flag": func() (*serverFlags, error) { return settings(t, []string{"--" + name, g.value}, nil, "") },
			"environment": func() (*serverFlags, error) {
				return settings(t, nil, map[string]string{"SIPCLUSTER_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")): g.value}, "")
			},
			"file": func() (*serverFlags, error) { return settings(t, nil, nil, fmt.Sprintf("%s: %q\n", name, g.value)) },
		}
		if name == "dev" || name == "raft-snapshot-after" { // hidden
			delete(ways, "environment")
			delete(ways, "file")
		}
		for way, set := range ways {
			t.Run(name+"/"+way, func(t *testing.T) {
				s, err := set()
				if err != nil {
					t.Fatal(err)
				}
				before, now := configOf(t, &serverFlags{}), configOf(t, s)
				for field, was := range before {
					want := was
					if field == g.field {
						want = g.want
					}
					if now[field] != want {
						t.Errorf("%s is %s, want %s", field, now[field], want)
					}
				}
			})
		}
	}
	s, f := &serverFlags{}, pflag.NewFlagSet("server", pflag.ContinueOnError)
	s.add(f)
	f.VisitAll(func(flag *pflag.Flag) {
		if _, known := given[flag.Name]; !known {
			t.Errorf("no test sets --%s: give it a row", flag.Name)
		}
	})
	for field := range configOf(t, &serverFlags{}) {
		known := field == "Founded" || field == "Serving" || field == "RecentLog" // the command's own
		for _, g := range given {
			known = known || g.field == field
		}
		if !known {
			t.Errorf("no flag sets %s of a node's settings", field)
		}
	}
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// configOf are a node's settings in words, by field: those of flags without
// what a node must have are completed first.
func configOf(t *testing.T, s *serverFlags) map[string]string {
	t.Helper()
	defaults, f := &serverFlags{}, pflag.NewFlagSet("server", pflag.ContinueOnError)
	defaults.add(f)
	if s.logLevel == "" {
		s = defaults
	}
	s.node, s.site, s.dataDir = orDefault(s.node, "n"), orDefault(s.site, "s"), orDefault(s.dataDir, "d")
	s.sipCert, s.sipKey = orDefault(s.sipCert, "c"), orDefault(s.sipKey, "k")
	s.httpCert, s.httpKey = orDefault(s.httpCert, "c"), orDefault(s.httpKey, "k")
	c, err := s.config(&bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		switch field := v.Type().Field(i).Name; field {
		case "Version", "Log": // of the program, not of a flag
		case "ClusterKey":
			words[field] = string(c.ClusterKey)
		default:
			words[field] = fmt.Sprint(v.Field(i).Interface())
		}
	}
	return words
}

// What a node is without flags is what the help and the documents say.
func TestServerFlags_Defaults(t *testing.T) {
	got := configOf(t, &serverFlags{})
	for field, want := range map[string]string{
		"SIPAddr": ":5060", "DefaultAddr": ":7000", "TCAddr": ":7001", "ClusterAddr": ":7002", "GossipAddr": ":7003", "HTTPAddr": ":7080",
		"TLSAddr": "", "WSAddr": "", "WSSAddr": "", "Bind": "", "Bootstrap": "false", "Join": "[]", "InviteFile": "", "AcceptRecovery": "", "BackupDir": "", "BackupEvery": "24h0m0s", "BackupKeep": "7", "BackupPassphraseFile": "", "Records": "{ 67108864 10  }", "CallTrace": "16777216", "HistoryEvents": "100000", "JoinTimeout": "1m0s", "Realm": "sipcluster",
		"ClusterKey": "", "LinkTimeout": "0s", "SIPRate": "0", "SnapshotAfter": "0", "Origins": "[]", "Insecure": "false", "Dev": "false", "Debug": "false",
	} {
		if got[field] != want {
			t.Errorf("%s is %q, want %q", field, got[field], want)
		}
	}
}

// What is logged, and how, is as it was asked.
func TestServerFlags_TheLog(t *testing.T) {
	for _, tc := range []struct{ level, format, want string }{
		{"info", "text", `level=INFO msg=b k=1 | level=WARN msg=c k=1 | level=ERROR msg=d k=1`},
		{"debug", "text", `level=DEBUG msg=a k=1 | level=INFO msg=b k=1 | level=WARN msg=c k=1 | level=ERROR msg=d k=1`},
		{"warn", "json", `"level":"WARN","msg":"c","k":1} | "level":"ERROR","msg":"d","k":1}`},
		{"error", "text", `level=ERROR msg=d k=1`},
	} {
		t.Run(tc.level+" "+tc.format, func(t *testing.T) {
			var out bytes.Buffer
			log, err := (&serverFlags{logLevel: tc.level, logFormat: tc.format}).logger(&out)
			if err != nil {
				t.Fatal(err)
			}
			log.Debug("a", "k", 1)
			log.Info("b", "k", 1)
			log.Warn("c", "k", 1)
			log.Error("d", "k", 1)
			var got []string
			for line := range strings.Lines(out.String()) {
				got = append(got, strings.TrimSpace(line[strings.Index(line, `level`)-strings.Count(line[:1], "{"):]))
			}
			if s := strings.Join(got, " | "); s != tc.want {
				t.Errorf("got  %s\nwant %s", s, tc.want)
			}
		})
	}
	if _, err := (&serverFlags{logLevel: "info", logFormat: "xml"}).logger(&bytes.Buffer{}); err == nil {
		t.Error("another format is taken")
	}
}

// The edges of what a node takes.
func TestServerFlags_Edges(t *testing.T) {
	for args, fits := range map[string]bool{
		"--join-timeout 1ns": true, "--join-timeout 0s": false, "--link-timeout 0s": true, "--link-timeout -1ns": false, "--sip-rate 0": true,
		"--join h:1": true, "--join :1": false, "--join h:": false, "--bind ::1": true, "--bind host": false,
		"--sip-tls-addr :1": false, "--sip-tls-addr :1 --sip-tls-cert c": false, "--sip-tls-addr :1 --sip-tls-key k": false, "--sip-tls-addr :1 --sip-tls-cert c --sip-tls-key k": true,
		"--sip-wss-addr :1": false, "--sip-ws-addr :1": true, "--sip-addr h": false, "--sip-addr h:": false, "--gossip-addr h": false, "--http-addr h": false, "--default-addr h": false, "--cluster-addr h": false,
		"--http-tls-cert c": false, "--http-tls-key k": false, "--http-tls-cert c --http-tls-key k": true,
		"--site=": false, "--data-dir=": false,
	} {
		t.Run(args, func(t *testing.T) {
			s, err := settings(t, append([]string{"--node", "n", "--site", "s", "--data-dir", "d"}, strings.Fields(args)...), nil, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.check(); (err == nil) != fits {
				t.Errorf("%v", err)
			}
		})
	}
}
