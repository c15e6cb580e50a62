package sip

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/wire"
)

const testRealm = "cluster.test"

// world is a server with everything real around it but the network of nodes.
type world struct {
	call    string // ConnID of its calls
	t       testing.TB
	machine *fsm.Machine
	index   uint64
	table   *dn.Table
	store   *location.Store
	server  *Server
	cfg     Config

	stop func() // what run started

	// Of a world with calls.
	lines    *lines // to other nodes; nil without
	serve    atomic.Pointer[func(context.Context, *proxy.Call)]
	remote   sync.Map // nodes by number
	noAnswer atomic.Int64
	leaves   atomic.Bool // phones that have said nothing: others can be called
	progress chan int
	outcomes chan proxy.Outcome
}

func newWorld(t testing.TB, change func(*Config)) *world {
	t.Helper()
	return newWorldOf(t, testRealm, change)
}

func newWorldOf(t testing.TB, realm string, change func(*Config)) *world {
	t.Helper()
	leftover.Check(t)
	w := &world{t: t}
	dir := t.TempDir()
	var err error
	if w.machine, err = fsm.Open(fsm.Config{Path: filepath.Join(dir, "config.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.machine.Close() })
	w.apply(&peerpb.Command{Version: 1, NewEpoch: "e1", Level: fsm.Program().Known})
	w.options(&configpb.Options{Realm: realm})
	w.table = dn.New(dn.Config{Self: "n1", Incarnation: 1})
	w.cfg = Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0", Machine: w.machine, Table: w.table, hands: 3}
	if change != nil {
		change(&w.cfg)
	}
	w.table = w.cfg.Table
	if w.cfg.Store == nil {
		w.cfg.Store = openStore(t, filepath.Join(dir, "location"))
	}
	w.store = w.cfg.Store
	if w.server, err = New(w.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.server.Close(); err != nil {
			t.Error(err)
		}
		leftover.None(t, patience.Limit, w.server) // who reads a port may have something in hand when it closes
	})
	return w
}

func openStore(t testing.TB, dir string) *location.Store {
	t.Helper()
	s, err := location.Open(location.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// run serves until the test ends.
func (w *world) run() *world {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	server := w.server
	go func() { done <- server.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := patience.Receive(w.t, "the end of Run", done); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.t.Cleanup(w.stop)
	return w
}

func (w *world) apply(c *peerpb.Command) {
	w.t.Helper()
	for _, m := range c.GetMutations() {
		if n := m.GetPutNode(); n != nil {
			n.FeatureLevel = fsm.Program().Known
		}
	}
	data, err := proto.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.index++
	res := w.machine.Apply(&raft.Log{Index: w.index, Type: raft.LogCommand, Data: data}).(fsm.Result)
	if res.Err != nil {
		w.t.Fatal(res.Err)
	}
}

func (w *world) options(o *configpb.Options) {
	if o.TrunkOptionsS == nil {
		o.TrunkOptionsS = proto.Uint32(0) // whoever asks is asked for
	}
	if o.PingIntervalS == nil {
		o.PingIntervalS = proto.Uint32(0) // who wants pings says so
	}
	w.t.Helper()
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutOptions{PutOptions: o}}}})
}

func (w *world) put(d *configpb.DN) {
	w.t.Helper()
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutDn{PutDn: d}}}})
}

// phoneDN is a DN of kind sip with the password "pw" and its number.
func phoneDN(number string) *configpb.DN {
	return &configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: md5Hex(number + ":" + testRealm + ":pw" + number)}
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// line is a client of one socket of any transport.
type line struct {
	t    testing.TB
	conn net.Conn
	rest []byte
}

func (w *world) dial(network string) *line {
	w.t.Helper()
	c, err := w.connect(network)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return &line{t: w.t, conn: c}
}

func (l *line) send(msg string) {
	l.t.Helper()
	if _, err := l.conn.Write([]byte(msg)); err != nil {
		l.t.Fatal(err)
	}
}

// reply is a response, its headers in order.
type reply struct {
	code    int
	reason  string
	headers [][2]string
}

func (r *reply) get(name string) string {
	for _, h := range r.headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// receive waits for the next response; nil when none comes in time.
func (l *line) receive(within time.Duration) *reply {
	l.t.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 65536)
	for {
		if head, after, ok := strings.Cut(string(l.rest), "\r\n\r\n"); ok {
			l.rest = []byte(after)
			return parseReply(l.t, head)
		}
		n, err := l.conn.Read(buf)
		if err != nil {
			return nil
		}
		l.rest = append(l.rest, buf[:n]...)
	}
}

func parseReply(t testing.TB, head string) *reply {
	t.Helper()
	lines := strings.Split(head, "\r\n")
	words := strings.SplitN(lines[0], " ", 3)
	if len(words) != 3 || words[0] != "SIP/2.0" {
		t.Fatalf("no response: %q", head)
	}
	code, err := strconv.Atoi(words[1])
	if err != nil {
		t.Fatal(err)
	}
	r := &reply{code: code, reason: words[2]}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("bad header line %q in %q", line, head)
		}
		r.headers = append(r.headers, [2]string{name, value})
	}
	return r
}

// ask sends and wants a final answer to just that: one to an INVITE of before may come
// again meanwhile.
func (l *line) ask(msg string) *reply {
	l.t.Helper()
	l.send(msg)
	return l.answerTo(msg)
}

// answerTo waits for the final answer to a request, whoever sent it.
func (l *line) answerTo(msg string) *reply {
	l.t.Helper()
	for {
		r := l.final()
		if r == nil {
			l.t.Fatalf("no answer to\n%s", msg)
		}
		if r.of(msg) {
			return r
		}
	}
}

// final waits for the next response that is final.
func (l *line) final() *reply {
	l.t.Helper()
	r := l.receive(patience.Limit)
	for r != nil && r.code < 200 {
		r = l.receive(patience.Limit)
	}
	return r
}

var branchForm = regexp.MustCompile(`(?i)branch\s*=\s*([^;,\s]+)`)

// of tells whether a response may be one to a request: it has its branch and its CSeq, as
// far as those can be read in both.
func (r *reply) of(request string) bool {
	asked, got := branchForm.FindStringSubmatch(headerOf(request, "Via")), branchForm.FindStringSubmatch(r.get("Via"))
	if asked != nil && got != nil && asked[1] != got[1] {
		return false
	}
	cseq := func(text string) (n int, method string) {
		if k, err := fmt.Sscan(text, &n, &method); err != nil || k != 2 {
			return 0, ""
		}
		return n, method
	}
	n, method := cseq(headerOf(request, "CSeq"))
	m, answered := cseq(r.get("CSeq"))
	return method == "" || answered == "" || n == m && method == answered
}

// reg is a REGISTER to be written.
type reg struct {
	dn, callID string
	cseq       int
	headers    []string
	branch     string
	auth       string
	to         string
	transport  string
}

func (r reg) String() string {
	if r.branch == "" {
		r.branch = fmt.Sprintf("z9hG4bK%s%d%x", r.callID, r.cseq, len(r.auth))
	}
	if r.to == "" {
		r.to = "<sip:" + r.dn + "@" + testRealm + ">"
	}
	if r.transport == "" {
		r.transport = "UDP"
	}
	lines := []string{"REGISTER sip:" + testRealm + " SIP/2.0", "Via: SIP/2.0/" + r.transport + " 127.0.0.1:5999;rport;branch=" + r.branch,
		"Max-Forwards: 70", "From: <sip:" + r.dn + "@" + testRealm + ">;tag=abc", "To: " + r.to, "Call-ID: " + r.callID,
		fmt.Sprintf("CSeq: %d REGISTER", r.cseq)}
	lines = append(lines, r.headers...)
	if r.auth != "" {
		lines = append(lines, "Authorization: "+r.auth)
	}
	return strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n")
}

// authorize computes credentials for a challenge, nc counted by the caller.
func authorize(challenge, user, password string, nc int) string {
	return authorizeFor("REGISTER", challenge, user, password, nc)
}

func authorizeFor(method, challenge, user, password string, nc int) string {
	p := map[string]string{}
	for _, part := range strings.Split(strings.TrimPrefix(challenge, "Digest "), ", ") {
		name, value, _ := strings.Cut(part, "=")
		p[name] = strings.Trim(value, `"`)
	}
	h := md5Hex
	if p["algorithm"] == "SHA-256" {
		h = sha256Hex
	}
	uri := "sip:" + testRealm
	ha1, ha2 := h(user+":"+p["realm"]+":"+password), h(method+":"+uri)
	base := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s`, user, p["realm"], p["nonce"], uri, p["algorithm"])
	if nc == 0 {
		return base + fmt.Sprintf(`, response="%s"`, h(ha1+":"+p["nonce"]+":"+ha2))
	}
	count := fmt.Sprintf("%08x", nc)
	return base + fmt.Sprintf(`, response="%s", qop=auth, nc=%s, cnonce="xyz"`, h(ha1+":"+p["nonce"]+":"+count+":xyz:auth:"+ha2), count)
}

// register sends a REGISTER, answers the challenge, and returns the final answer.
func (l *line) register(r reg) *reply {
	l.t.Helper()
	res := l.ask(r.String())
	if res.code != 401 {
		return res
	}
	r.auth = authorize(res.get("WWW-Authenticate"), r.dn, "pw"+r.dn, 1)
	r.cseq++
	return l.ask(r.String())
}

func (w *world) state(n dn.Number) dn.Status {
	st, _ := w.table.Get(n)
	return st
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	patience.Until(t, what, ok)
}

var localSource = netip.MustParseAddrPort("127.0.0.1:5999")

func mustAddrPort(a string) netip.AddrPort { return netip.MustParseAddrPort(a) }

// arriving is a message that has come.
func arriving(in *wire.Arrival, data []byte, source netip.AddrPort, t location.Transport) *wire.Arrival {
	in.Begin(data, source, t, in.Reply)
	return in
}
