package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/node"
)

// serverFlags are the settings of a node. Each can be given as a flag, in the
// environment or in the file of --config; the first of these that has it counts.
type serverFlags struct {
	node, site, dataDir, bind                    string
	sip, defaultPort, tc, cluster, gossip, httpd string
	sipTLS, sipWS, sipWSS, sipCert, sipKey       string
	httpCert, httpKey                            string
	sipClientCA                                  string
	sipOrigins                                   []string
	bootstrap                                    bool
	join, advertise                              []string
	inviteFile, acceptRecovery                   string
	joinTimeout                                  time.Duration
	realm, clusterKeyFile                        string
	linkTimeout, backupEvery                     time.Duration
	backupDir, backupPassphrase                  string
	backupKeep                                   int
	records                                      node.Records
	callTrace                                    int64
	historyEvents                                int
	sipRate                                      int
	snapshotAfter                                uint64
	logLevel, logFormat                          string
	insecure, dev, debug                         bool

	// level is that of the log, at present.
	level slog.LevelVar
}

func (s *serverFlags) add(f *pflag.FlagSet) {
	f.StringVar(&s.node, "node", "", "this node's `NAME`: unique in the cluster, 1 to 32 characters of a-z 0-9 -")
	f.StringVar(&s.site, "site", "", "`SITE` (data centre) of this node")
	f.StringVar(&s.dataDir, "data-dir", "", "`DIR` for the data that must survive a restart")
	f.StringVar(&s.bind, "bind", "", "`IP` that every listener binds and that is advertised to phones and other nodes; default: bind all, advertise the first")
	f.StringSliceVar(&s.advertise, "advertise", nil, "`HOST` at which others reach this node, behind NAT or in a container, or PORT=HOST[:NUMBER] for one of sip, default, tc, cluster, gossip, http; repeatable; default: what is bound")
	f.BoolVar(&s.bootstrap, "bootstrap", false, "start a new cluster, unless the data directory belongs to one")
	f.StringSliceVar(&s.join, "join", nil, "cluster port `HOST:PORT` of a member to join, repeatable, unless the data directory belongs to a cluster")
	f.StringVar(&s.inviteFile, "invite-file", "", "`FILE` with the invite by which this node joins (see node invite), - for standard input; needed once")
	f.StringVar(&s.acceptRecovery, "accept-recovery", "", "take part in the `RECOVERY` of this node's cluster that recover printed at another node, a member of which --join names: the configuration comes from there; none: in the cluster that was not recovered")
	f.DurationVar(&s.joinTimeout, "join-timeout", time.Minute, "give up joining after this long")
	f.StringVar(&s.realm, "realm", "sipcluster", "SIP `DOMAIN` and digest realm of a new cluster; it can't change later")
	f.StringVar(&s.sip, "sip-addr", ":5060", "SIP, UDP and TCP")
	f.StringVar(&s.sipTLS, "sip-tls-addr", "", "SIP over TLS, usually :5061; default: not served")
	f.StringVar(&s.sipWS, "sip-ws-addr", "", "SIP over WebSocket, usually :5066, for browser phones; default: not served")
	f.StringVar(&s.sipWSS, "sip-wss-addr", "", "SIP over secure WebSocket, usually :5067; default: not served")
	f.StringVar(&s.sipCert, "sip-tls-cert", "", "PEM `FILE` with the certificate and its chain, for the TLS and secure WebSocket ports; read again when it changes")
	f.StringVar(&s.sipClientCA, "sip-tls-client-ca", "", "PEM `FILE` with the authorities of the certificates by which trunks are known (tls_name); default: the system's")
	f.StringVar(&s.sipKey, "sip-tls-key", "", "PEM `FILE` with its private key, which only its owner and group may read")
	f.StringSliceVar(&s.sipOrigins, "sip-ws-origin", nil, "`ORIGIN` (https://phones.example.com) whose pages may open a WebSocket, repeatable; default: all")
	f.StringVar(&s.defaultPort, "default-addr", ":7000", "default port: T-Library for routers, with the calls of this node")
	f.StringVar(&s.tc, "tc-addr", ":7001", "TCport: the whole cluster for Stat Servers, desktops and this program's commands")
	f.StringVar(&s.cluster, "cluster-addr", ":7002", "cluster port: links, Raft and joins of other nodes")
	f.StringVar(&s.gossip, "gossip-addr", ":7003", "gossip between nodes, UDP and TCP")
	f.StringVar(&s.httpd, "http-addr", ":7080", "the web board, REST, metrics and probes")
	f.StringVar(&s.httpCert, "http-tls-cert", "", "PEM `FILE` with the certificate and its chain that browsers are shown at the HTTP port; read again when it changes; default: one that the node signs itself")
	f.StringVar(&s.httpKey, "http-tls-key", "", "PEM `FILE` with its private key, which only its owner and group may read")
	f.StringVar(&s.clusterKeyFile, "cluster-key-file", "", "`FILE` with the cluster's secret, the same at every node; without it traffic between nodes is neither encrypted nor authenticated")
	f.BoolVar(&s.insecure, "insecure", false, "a laboratory's node: clients and other nodes are asked for nothing, and nothing is encrypted; the same at every node")
	f.DurationVar(&s.linkTimeout, "link-timeout", 0, "declare a peer cut off when its link is down for this long although gossip sees it alive (0: the built-in bound)")
	f.StringVar(&s.backupDir, "backup-dir", "", "write backups of the configuration to `DIR`; default: none")
	f.DurationVar(&s.backupEvery, "backup-every", 24*time.Hour, "how often, a minute or more")
	f.IntVar(&s.backupKeep, "backup-keep", 7, "how many `BACKUPS` of this node stay there")
	f.StringVar(&s.records.Dir, "call-records", "", "write a record of each call that arrived at this node to files in `DIR`, a line of JSON each; default: none")
	f.Int64Var(&s.records.Size, "call-records-size", 64<<20, "a file is followed by another one when it has so many `BYTES`")
	f.IntVar(&s.records.Keep, "call-records-keep", 10, "how many `FILES` stay")
	f.StringVar(&s.records.Hook, "call-records-hook", "", "send them to the web server at `URL` too, each at least once; default: nowhere")
	f.StringVar(&s.records.HookTokenFile, "call-records-hook-token-file", "", "with the bearer token in the first line of `FILE`, which only its owner may read")
	f.IntVar(&s.historyEvents, "history-events", 100_000, "remember the last `NUMBER` events of each kind for events, as far as 64 MiB of memory last")
	f.Int64Var(&s.callTrace, "call-trace-memory", 16<<20, "remember which SIP messages calls were made of, without headers and bodies, in so many `BYTES` of memory, for call trace; 0: none")
	f.StringVar(&s.backupPassphrase, "backup-passphrase-file", "", "seal them with the passphrase in the first line of `FILE`, which only its owner may read; default: not sealed")
	f.IntVar(&s.sipRate, "sip-rate", 0, "at most `NUMBER` new calls and new registrations a second; the rest gets 503 (0: no limit)")
	f.StringVar(&s.logLevel, "log-level", "info", "`LEVEL`: debug, info, warn, error")
	f.StringVar(&s.logFormat, "log-format", "text", "`FORMAT`: text or json")
	f.BoolVar(&s.debug, "debug", false, "serve /debug/pprof at the HTTP port")
	f.BoolVar(&s.dev, "dev", false, "")
	_ = f.MarkHidden("dev")
	f.Uint64Var(&s.snapshotAfter, "raft-snapshot-after", 0, "") // for laboratories: log entries
	_ = f.MarkHidden("raft-snapshot-after")
}

// fill sets the flags that the command line left out, from the environment and
// then from the file.
func fill(f *pflag.FlagSet, getenv func(string) string, file string) error {
	values, err := readSettings(f, file)
	if err != nil {
		return err
	}
	var first error
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || flag.Hidden || flag.Name == "config" || flag.Name == "help" || first != nil {
			return
		}
		name := "SIPCLUSTER_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if v := getenv(name); v != "" {
			if err := f.Set(flag.Name, v); err != nil {
				first = console.Usagef("environment %s=%s: %w", name, v, rootCause(err))
			}
			return
		}
		if n, ok := values[flag.Name]; ok {
			if err := f.Set(flag.Name, n.value); err != nil {
				first = console.Usagef("--config %s: line %d: %s: %w", file, n.line, flag.Name, rootCause(err))
			}
		}
	})
	return first
}

// rootCause drops what pflag says of the flag: the setting was not one.
func rootCause(err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return invalid.Unwrap()
	}
	return err
}

// setting is a value of the file.
type setting struct {
	value string
	line  int
}

// readSettings reads a YAML file whose keys are the names of flags.
func readSettings(f *pflag.FlagSet, file string) (map[string]setting, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, console.Usagef("--config: %w", err)
	}
	values, err := parseSettings(f, b)
	if err != nil {
		return nil, console.Usagef("--config %s: %w", file, err)
	}
	return values, nil
}

func parseSettings(f *pflag.FlagSet, b []byte) (map[string]setting, error) {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, config.YamlError(err)
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want KEY: VALUE lines whose keys are the names of flags", top.Line)
	}
	values := map[string]setting{}
	for i := 0; i < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		if flag := f.Lookup(key.Value); flag == nil || flag.Hidden || key.Value == "config" || key.Value == "help" {
			return nil, fmt.Errorf("line %d: unknown key %s: want a flag's name without --", key.Line, key.Value)
		}
		if _, twice := values[key.Value]; twice {
			return nil, fmt.Errorf("line %d: %s appears twice", key.Line, key.Value)
		}
		text, err := settingText(value)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", key.Line, key.Value, err)
		}
		values[key.Value] = setting{text, key.Line}
	}
	return values, nil
}

// settingText is a scalar, or a list in the form that a repeatable flag takes.
func settingText(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, nil
	case yaml.SequenceNode:
		var list []string
		for _, e := range n.Content {
			if e.Kind != yaml.ScalarNode {
				return "", errors.New("want a list of plain values")
			}
			list = append(list, e.Value)
		}
		return strings.Join(list, ","), nil
	default:
		return "", errors.New("want a value or a list")
	}
}

// check refuses what can't work before anything is opened.
func (s *serverFlags) check() error {
	switch {
	case s.node == "":
		return console.Usagef("--node NAME is missing")
	case !configpb.ValidNodeName(s.node):
		return console.Usagef("--node %.40s: want 1 to 32 characters of a-z 0-9 -", s.node)
	case s.site == "":
		return console.Usagef("--site SITE is missing: the data centre of this node")
	case s.dataDir == "":
		return console.Usagef("--data-dir DIR is missing: the directory for the data that must survive a restart")
	case s.bootstrap && len(s.join) > 0:
		return console.Usagef("--bootstrap and --join exclude each other: start a new cluster, or join one")
	case s.joinTimeout <= 0:
		return console.Usagef("--join-timeout %v: want more than 0", s.joinTimeout)
	case s.linkTimeout < 0:
		return console.Usagef("--link-timeout %v: want 0 or more", s.linkTimeout)
	case s.sipRate < 0:
		return console.Usagef("--sip-rate %d: want 0 or more", s.sipRate)
	}
	if s.bind != "" && net.ParseIP(s.bind) == nil {
		return console.Usagef("--bind %s: want an IP address of this machine", s.bind)
	}
	for _, a := range s.join {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" || strings.Contains(host, "%") {
			return console.Usagef("--join %s: want HOST:PORT of a member's cluster port", a)
		}
	}
	if s.sipTLS+s.sipWSS != "" && (s.sipCert == "" || s.sipKey == "") {
		return console.Usagef("--sip-tls-addr and --sip-wss-addr need --sip-tls-cert FILE and --sip-tls-key FILE")
	}
	if (s.httpCert == "") != (s.httpKey == "") {
		return console.Usagef("--http-tls-cert FILE and --http-tls-key FILE belong together")
	}
	return s.checkAddrs()
}

func (s *serverFlags) checkAddrs() error {
	for name, addr := range map[string]string{
		"sip": s.sip, "sip-tls": s.sipTLS, "sip-ws": s.sipWS, "sip-wss": s.sipWSS, "default": s.defaultPort, "tc": s.tc, "cluster": s.cluster, "gossip": s.gossip, "http": s.httpd,
	} {
		if addr == "" && strings.HasPrefix(name, "sip-") {
			continue
		}
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			return console.Usagef("--%s-addr %s: want HOST:PORT or :PORT", name, addr)
		}
	}
	return nil
}

// logger writes to w as asked.
func (s *serverFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, console.Usagef("--log-level %s: want debug, info, warn or error", s.logLevel)
	}
	s.level.Set(level)
	options := &slog.HandlerOptions{Level: &s.level}
	switch s.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, console.Usagef("--log-format %s: want text or json", s.logFormat)
}

// clusterKey reads the cluster's secret; nil without a file.
// A file that others can read is told of and used all the same: nodes of before had them.
func (s *serverFlags) clusterKey(log *slog.Logger) ([]byte, error) {
	if s.clusterKeyFile == "" {
		return nil, nil
	}
	b, err := credential.ReadSecret(s.clusterKeyFile)
	if errors.Is(err, credential.ErrWide) {
		log.Warn("the cluster's key is known to more than its owner", "err", err)
		b, err = os.ReadFile(s.clusterKeyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("--cluster-key-file: %w", err)
	}
	key := bytes.TrimSpace(b)
	if len(key) == 0 {
		return nil, fmt.Errorf("--cluster-key-file %s is empty: make a key with `openssl rand -hex 32`", s.clusterKeyFile)
	}
	return key, nil
}
