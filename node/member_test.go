package node

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/port"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// soon bounds every wait: far more than a machine that does other work needs.
const soon = 90 * time.Second

const realm = "test.example"

// member is a real node in this process, on an address of loopback of its own.
type member struct {
	*Node
	home *testing.T
	tc   *grpc.ClientConn
	low  *grpc.ClientConn // the default port
	log  *lines
	stop func() error
	wait func() error
}

// lines keeps what was logged.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), part)
}

var loopbacks atomic.Uint32

// ownIP is an address of loopback of which no other test knows.
func ownIP() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 20+pid/250%70, 1+pid%250, 1+loopbacks.Add(1)%250)
}

// config of a node whose ports are the usual ones of an address of its own.
func config(t *testing.T, name string, change func(*Config)) Config {
	t.Helper()
	c := Config{
		Name: name, Site: "site-" + name, DataDir: t.TempDir(), Bind: ownIP(), Realm: realm, Version: "v-" + name,
		Insecure: true, ClusterKey: bytes.Repeat([]byte{7}, port.MinKey), JoinTimeout: soon, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	return c
}

// bind opens a node that does not run yet.
func bind(t *testing.T, c Config) *member {
	t.Helper()
	leftover.Check(t)
	m := &member{home: t, log: &lines{}}
	c.Log = newLog(m.log)
	var err error
	if m.Node, err = New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	m.stop = m.Close
	t.Cleanup(func() {
		if err := m.stop(); err != nil && !errors.Is(err, ErrRemoved) {
			t.Errorf("%s: %v", c.Name, err)
		}
		if t.Failed() {
			m.log.mu.Lock()
			defer m.log.mu.Unlock()
			t.Logf("--- log of %s:\n%s", c.Name, m.log.all.String())
		}
	})
	m.tc, m.low = connect(t, m.cfg.TCAddr), connect(t, m.cfg.DefaultAddr)
	return m
}

// run starts a node and waits until it serves.
func run(t *testing.T, c Config) *member {
	t.Helper()
	m := bind(t, c)
	m.start(t)
	await(t, c.Name+" serves", func() bool { return m.log.has("msg=serving") })
	return m
}

func (m *member) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	name := m.cfg.Name
	m.wait = sync.OnceValue(func() error {
		select {
		case err := <-ended:
			return err
		case <-time.After(2 * soon):
			return fmt.Errorf("%s did not end", name)
		}
	})
	wait := m.wait
	m.stop = func() error { cancel(); return wait() }
}

func connect(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// await polls until the condition holds.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(soon)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// twoNodes is a whole cluster.
func twoNodes(t *testing.T, change func(*Config)) (a, b *member) {
	t.Helper()
	a = run(t, config(t, "n1", func(c *Config) {
		if c.Bootstrap = true; change != nil {
			change(c)
		}
	}))
	b = run(t, config(t, "n2", func(c *Config) {
		if c.Join = []string{a.cfg.ClusterAddr}; change != nil {
			change(c)
		}
	}))
	whole(t, a, b)
	return a, b
}

// whole waits until all hear all.
func whole(t *testing.T, all ...*member) {
	t.Helper()
	for _, m := range all {
		await(t, m.cfg.Name+" hears the others", func() bool {
			peers := m.status(t).GetPeers()
			for _, p := range peers {
				if !p.GetReachable() || p.GetGossip() != "alive" || p.GetRttMs() == 0 {
					return false
				}
			}
			return len(peers) == len(all)-1
		})
	}
}

func (m *member) status(t *testing.T) *tcpb.StatusResponse {
	t.Helper()
	s, err := tcpb.NewClusterClient(m.tc).Status(t.Context(), &tcpb.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// write changes the configuration through this node, and waits until all have it.
func (m *member) write(t *testing.T, all []*member, mutations ...*configpb.Mutation) {
	t.Helper()
	client, w := configpb.NewConfigurationClient(m.tc), (*configpb.WriteResponse)(nil)
	written(t, func() (err error) {
		w, err = client.Write(t.Context(), &configpb.WriteRequest{Mutations: mutations})
		return err
	})
	for _, other := range all {
		await(t, other.cfg.Name+" has the configuration", func() bool { return other.machine.View().Index() >= w.GetRevision() })
	}
}

func putDN(d *configpb.DN) *configpb.Mutation {
	if d.GetKind() == configpb.DNKind_DN_KIND_SIP {
		sum := md5.Sum([]byte(d.GetNumber() + ":" + realm + ":pw"))
		d.Algorithm, d.Ha1 = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, hex.EncodeToString(sum[:])
	}
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
}

func phoneDN(number string, groups ...string) *configpb.Mutation {
	return putDN(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Groups: groups})
}

// phone registers a phone of the DN at the node.
func (m *member) phone(t *testing.T, number string) *siptest.UA {
	t.Helper()
	u, err := siptest.NewUA(siptest.Config{DN: number, Password: "pw", Domain: realm, Server: m.cfg.SIPAddr, Local: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	if r := registers(t, u); r.Code != 200 {
		t.Fatalf("%s got %d", number, r.Code)
	}
	return u
}

func registers(t *testing.T, u *siptest.UA) *siptest.Response {
	t.Helper()
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	r, err := u.Register(ctx, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// dn is what the node says of a DN, as a line.
func (m *member) dn(t *testing.T, number string) string {
	t.Helper()
	d, err := tcpb.NewAvailabilityClient(m.tc).GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: number})
	if err != nil {
		return err.Error()
	}
	line := fmt.Sprintf("%s %s@%s", strings.TrimPrefix(d.GetState().String(), "DN_STATE_"), d.GetOwner(), d.GetSite())
	if a := d.GetAgent(); a.GetId() != "" {
		line += " agent " + a.GetId()
	}
	for word, is := range map[string]bool{" busy": d.GetBusy(), " reserved": d.GetReserved()} {
		if is {
			line += word
		}
	}
	return line
}

// says waits until the node says that of the DN.
func (m *member) says(t *testing.T, number, want string) {
	t.Helper()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(soon)
	defer tick.Stop()
	for {
		got := m.dn(t, number)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s says %q of %s, want %q", m.cfg.Name, got, number, want)
		}
	}
}

// opened is a T-Library session with the port.
func opened(t *testing.T, addr string) *tlib.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c, err := tlib.Dial(ctx, addr, tlib.Options{NoReconnect: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// hears waits for an event.
func hears(t *testing.T, c *tlib.Client, want tlibpb.Message) *tlibpb.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for {
		e, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("waited for %v: %v", want, err)
		}
		if e.GetMessage() == want {
			return e
		}
	}
}

// get reads a page of the HTTP port.
func (m *member) get(t *testing.T, path string) (int, string) {
	t.Helper()
	r, err := (&http.Client{Timeout: soon}).Get("http://" + m.cfg.HTTPAddr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func newLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
