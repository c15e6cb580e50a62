package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm" //nolint:depguard // the secrets that must not be told are read where they are kept
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestSupport_ABundleHasNoSecret: whatever is secret in a cluster of three nodes that
// know each other by their keys, as their files and their clients have it, is in no file
// of a bundle, whichever way it is written down.
func TestSupport_ABundleHasNoSecret(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three nodes")
	}
	c := newSecretCluster(t)
	c.fill()
	file := filepath.Join(t.TempDir(), "b.tar.gz")
	c.bundles(file, ": nodes sip1, sip2, sip3\n")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	files := unpacked(t, file)
	c.tells(files)
	c.names(file)
	operator := newUser(t)
	operator.does("login", "--file", c.context)
	operator.does("status")
	operator.fails("role operator may not", "support", "bundle", "-o", filepath.Join(t.TempDir(), "none"))
	c.stop()
	c.readStores()
	for name, text := range files {
		lower := bytes.ToLower(text)
		for what, secret := range c.secrets {
			for _, form := range written(secret) {
				if bytes.Contains(text, form) || bytes.Contains(lower, form) {
					t.Errorf("%s is in %s as %q", what, name, form)
				}
			}
		}
		if bytes.Contains(text, []byte("response=\"")) {
			t.Errorf("what a phone proves itself by is in %s", name)
		}
	}
}

// secretCluster is a cluster of three processes and whatever is secret in it.
type secretCluster struct {
	t       *testing.T
	admin   user
	dirs    []string
	addrs   [][]string
	running []*exec.Cmd
	secrets map[string][]byte
	// context is the file of an operator.
	context string
}

func newSecretCluster(t *testing.T) *secretCluster {
	t.Helper()
	c := &secretCluster{t: t, admin: newUser(t), secrets: map[string][]byte{}, context: filepath.Join(t.TempDir(), "operator.context")}
	t.Cleanup(c.stop)
	c.start("sip1", "--bootstrap", "--realm", "example.org")
	patience.Until(t, "the administrator's context and a quorum", func() bool {
		code, _, _ := c.admin.runs("", "status", "--check")
		return code == exitDone
	})
	for _, name := range []string{"sip2", "sip3"} {
		invite := strings.TrimSpace(c.admin.does("node", "invite", name))
		c.secrets["the invite of "+name] = []byte(invite)
		c.start(name, "--join", c.addrs[0][3], "--invite-file", c.file("invite-"+name, invite))
	}
	patience.Until(t, "three nodes that hear each other", func() bool {
		var s struct{ Peers []struct{ Reachable bool } }
		for _, a := range c.addrs {
			code, out, _ := c.admin.runs("", "status", "--addr", a[2], "-o", "json", "--check")
			if code != exitDone || json.Unmarshal([]byte(out), &s) != nil || len(s.Peers) != 2 {
				return false
			}
		}
		return true
	})
	return c
}

// file is one with a secret, that only its owner may read.
func (c *secretCluster) file(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// start starts a node that tells all in its log, with a certificate for phones and sealed
// backups.
func (c *secretCluster) start(name string, args ...string) {
	c.t.Helper()
	dir, a := c.t.TempDir(), freeAddrs(c.t, 7)
	cert, key := c.certificate(name)
	passphrase := "the passphrase of " + name
	c.secrets[passphrase] = []byte(passphrase)
	cmd := program(c.t, append([]string{
		"server", "--node", name, "--site", "dc-" + name, "--data-dir", dir, "--log-level", "debug",
		"--sip-addr", a[0], "--default-addr", a[1], "--tc-addr", a[2], "--cluster-addr", a[3], "--gossip-addr", a[4], "--http-addr", a[5],
		"--sip-tls-addr", a[6], "--sip-tls-cert", cert, "--sip-tls-key", key,
		"--backup-dir", c.t.TempDir(), "--backup-passphrase-file", c.file("passphrase", passphrase),
	}, args...)...)
	cmd.Env = append(cmd.Env, "SIPCLUSTER_CONTEXTS="+c.admin.file)
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.running, c.dirs, c.addrs = append(c.running, cmd), append(c.dirs, dir), append(c.addrs, a)
}

func (c *secretCluster) certificate(name string) (cert, key string) {
	c.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, public, private)
	if err != nil {
		c.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		c.t.Fatal(err)
	}
	c.secrets["the key of the SIP ports of "+name] = private.Seed()
	return c.file("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		c.file("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

// fill puts a secret of every kind into the cluster, and has somebody use or misuse it.
func (c *secretCluster) fill() {
	c.t.Helper()
	password := func(what string) string {
		s := "open-sesame-" + strings.ReplaceAll(what, " ", "-")
		c.secrets["the password of "+what] = []byte(s)
		return s
	}
	c.admin.does("dn", "put", "1001", "--kind", "sip", "--password-file", c.file("p", password("1001")))
	c.admin.does("dn", "put", "1002", "--kind", "sip", "--algorithm", "sha-256", "--password-file", c.file("p", password("1002")))
	c.admin.does("dn", "put", "carrier", "--kind", "trunk", "--address", "192.0.2.1:5060", "--source", "192.0.2.0/28",
		"--inbound-user", "them", "--inbound-password-file", c.file("p", password("the carrier here")))
	c.admin.does("dn", "put", "carrier", "--outbound-user", "us", "--outbound-realm", "example.net", "--outbound-password-file", c.file("p", password("us there")))
	c.secrets["a token"] = []byte(strings.TrimSpace(c.admin.does("token", "create", "desk", "--role", "gateway")))
	c.admin.does("token", "create", "oper", "--role", "operator", "--context-file", c.context)
	c.secrets["an open invite"] = []byte(strings.TrimSpace(c.admin.does("node", "invite", "sip4")))
	patience.Until(c.t, "the configuration at each node", func() bool { // an invite is the last of it
		for _, a := range c.addrs {
			if _, out, _ := c.admin.runs("", "node", "invite", "--list", "--addr", a[2]); !strings.Contains(out, "sip4") {
				return false
			}
		}
		return true
	})
	for i, a := range c.addrs {
		c.registers(a[0], "1001", "open-sesame-1001", false)
		c.registers(a[0], "1001", password(fmt.Sprint("nobody ", i)), true)
		c.asksAsNobody(a[2])
		c.opensASession(a[2])
	}
}

// registers a phone, or is refused for its password.
func (c *secretCluster) registers(server, dn, password string, refused bool) {
	c.t.Helper()
	u, err := siptest.NewUA(siptest.Config{DN: dn, Password: password, Domain: "example.org", Server: server})
	if err != nil {
		c.t.Fatal(err)
	}
	defer u.Close()
	if err := accepted(u.Register(c.t.Context(), time.Minute)); (err != nil) != refused {
		c.t.Errorf("a phone with %s: %v", password, err)
	}
}

// asksAsNobody shows a token that nobody made.
func (c *secretCluster) asksAsNobody(addr string) {
	c.t.Helper()
	token := credential.NewToken()
	c.secrets["a token that counts nothing at "+addr] = []byte(token.String())
	conn := c.dials(addr, credential.DialOptions(c.present(), token.String()))
	if _, err := tcpb.NewClusterClient(conn).Status(c.t.Context(), &tcpb.StatusRequest{}); status.Code(err) != codes.Unauthenticated {
		c.t.Errorf("with a token that nobody made: %v", err)
	}
}

// opensASession opens one of the T-Library, whose token is worth its registrations.
func (c *secretCluster) opensASession(addr string) {
	c.t.Helper()
	conn := c.dials(addr, c.asAdmin())
	s, err := tlibpb.NewTLibraryClient(conn).Session(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	if err := s.Send(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion, Application: "desktop"}}}); err != nil {
		c.t.Fatal(err)
	}
	for {
		m, err := s.Recv()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, e := range m.GetEvents() {
			if token := e.GetLinkConnected().GetSessionToken(); len(token) > 0 {
				c.secrets["a session's token at "+addr] = []byte(token)
				return
			}
		}
	}
}

func (c *secretCluster) dials(addr string, options []grpc.DialOption) *grpc.ClientConn {
	c.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, options...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// present is how the cluster is known.
func (c *secretCluster) present() *tls.Config {
	c.t.Helper()
	f, err := contexts.Load(c.admin.file)
	if err != nil {
		c.t.Fatal(err)
	}
	c.secrets["the administrator's token"] = []byte(f.Present().Token)
	config, err := f.Present().TLS()
	if err != nil {
		c.t.Fatal(err)
	}
	return config
}

func (c *secretCluster) asAdmin() []grpc.DialOption {
	known := c.present()
	return credential.DialOptions(known, string(c.secrets["the administrator's token"]))
}

// tells wants the files of a bundle to tell what they are for.
func (c *secretCluster) tells(files map[string][]byte) {
	c.t.Helper()
	want := map[string]string{
		"manifest.json": `"missing": []`, "survey.json": `"sip3"`, "events.json": `"HISTORY_KIND_CONFIGURATION"`, "configuration.yaml": `dn: "1002"`,
	}
	for _, n := range []string{"sip1", "sip2", "sip3"} {
		maps.Copy(want, map[string]string{
			"nodes/" + n + "/log.txt": "1001", "nodes/" + n + "/metrics.txt": "sipcluster_dns_known", "nodes/" + n + "/goroutines.txt": "node.(*Node).Run",
			"nodes/" + n + "/program.txt": "google.golang.org/grpc", "nodes/" + n + "/settings.json": `"site": "dc-` + n + `"`,
		})
	}
	for name, part := range want {
		if !bytes.Contains(files[name], []byte(part)) {
			c.t.Errorf("%s has no %q in %d bytes", name, part, len(files[name]))
		}
	}
	if len(files) != len(want) {
		c.t.Errorf("files %v", slices.Sorted(maps.Keys(files)))
	}
}

// bundles makes bundles until one is of the nodes that are named: a node on a busy machine
// may take longer for its report than it is given.
func (c *secretCluster) bundles(file, of string) {
	c.t.Helper()
	said := ""
	defer func() { c.t.Logf("said %s", said) }()
	patience.Until(c.t, "a bundle that says "+of, func() bool {
		said = c.admin.does("support", "bundle", "-o", file)
		return strings.Contains(said, of)
	})
}

// names wants a bundle that is made while a node stands still to name it.
func (c *secretCluster) names(file string) {
	c.t.Helper()
	if err := c.running[2].Process.Signal(syscall.SIGSTOP); err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = c.running[2].Process.Signal(syscall.SIGCONT) }()
	c.bundles(file, "nodes sip1, sip2; without sip3 (it does not answer)")
	if files := unpacked(c.t, file); !bytes.Contains(files["manifest.json"], []byte(`"error": "it does not answer"`)) || files["nodes/sip3/log.txt"] != nil || files["nodes/sip2/log.txt"] == nil {
		c.t.Errorf("%s", files["manifest.json"])
	}
}

// stop ends the nodes.
func (c *secretCluster) stop() {
	for _, cmd := range c.running {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, cmd := range c.running {
		_ = cmd.Wait()
	}
	c.running = nil
}

// readStores takes all that is secret from the data directories.
func (c *secretCluster) readStores() {
	c.t.Helper()
	for _, dir := range c.dirs {
		for _, name := range []string{"node.key", "seal.key"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				c.t.Fatal(err)
			}
			if block, _ := pem.Decode(b); block != nil {
				b = block.Bytes[max(0, len(block.Bytes)-ed25519.SeedSize):]
			}
			c.secrets[name+" in "+dir] = b
		}
	}
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(c.dirs[0], "config.db")})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	before := len(c.secrets)
	c.readView(m.View())
	if got := len(c.secrets) - before; got < 2+2+3+1+3 { // DNs, a trunk's, tokens, invites, what nodes share
		c.t.Errorf("only %d secrets are in the configuration: %v", got, slices.Sorted(maps.Keys(c.secrets)))
	}
}

func (c *secretCluster) readView(v *fsm.View) {
	hexed := func(what, s string) {
		if b, err := hex.DecodeString(s); err == nil && s != "" {
			c.secrets[what] = b
		}
	}
	for d := range v.DNs("") {
		hexed("the digest of "+d.GetNumber(), d.GetHa1())
		hexed("the inbound digest of "+d.GetNumber(), d.GetTrunk().GetInboundAuth().GetHa1())
		hexed("the outbound digest of "+d.GetNumber(), d.GetTrunk().GetOutboundAuth().GetHa1())
		hexed("the second outbound digest of "+d.GetNumber(), d.GetTrunk().GetOutboundAuth().GetSha256Ha1())
	}
	for _, t := range v.Tokens() {
		hexed("the hash of token "+t.GetName(), t.GetSecretSha256())
	}
	for _, i := range v.Invites() {
		hexed("the hash of invite "+i.GetId(), i.GetSecretSha256())
	}
	for i, a := range v.Security().GetAuthorities() {
		c.secrets[fmt.Sprint("the sealed key of authority ", i)] = a.GetSealedKey()
	}
	for ring, r := range map[string]*configpb.Keyring{"gossip": v.Security().GetGossip(), "routes": v.Security().GetRoutes()} {
		for _, k := range r.GetKeys() {
			c.secrets[fmt.Sprint(ring, " key ", k.GetId())] = k.GetSecret()
		}
	}
}

// written are the ways in which a secret can be written down: as it is, in hex, and in
// base64 wherever it begins. A token or an invite is its secret part too.
func written(secret []byte) [][]byte {
	if len(secret) < 12 {
		panic("too short to be recognised")
	}
	forms := [][]byte{secret, []byte(hex.EncodeToString(secret))}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			coded := e.EncodeToString(append(make([]byte, before), secret...))
			forms = append(forms, []byte(coded[(before*8+5)/6:len(coded)-1]))
		}
	}
	if i := bytes.LastIndexAny(secret, "_:"); i >= 0 && len(secret)-i > 20 {
		forms = append(forms, secret[i+1:])
		if raw, err := base64.RawURLEncoding.DecodeString(string(secret[i+1:])); err == nil {
			forms = append(forms, raw, []byte(hex.EncodeToString(raw)))
		}
	}
	return forms
}

// unpacked are the files of a bundle, without the directory that they are all in.
func unpacked(t *testing.T, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		if files[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// A secret is found however it is written, and wherever in base64 it begins.
func TestWritten_FindsASecret(t *testing.T) {
	secret := []byte("open-sesame-1001")
	for _, text := range []string{
		"x open-sesame-1001 y", hex.EncodeToString([]byte("ab" + string(secret) + "c")), base64.StdEncoding.EncodeToString([]byte("a" + string(secret) + "bc")),
		base64.URLEncoding.EncodeToString([]byte("ab" + string(secret))), base64.StdEncoding.EncodeToString(append([]byte("abc"), secret...)),
	} {
		if !slices.ContainsFunc(written(secret), func(form []byte) bool { return strings.Contains(text, string(form)) }) {
			t.Errorf("it is not found in %s", text)
		}
	}
}
