package e2e_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// phone is a DN with the password of its telephone.
type phone struct {
	dn, password, realm string
	// from is where the telephone stands.
	from *cluster.Place
	port int
}

func (p phone) contact() string { return fmt.Sprintf("sip:%s@%s:%d", p.dn, p.from.IP(), p.port) }

// at is the same telephone, carried elsewhere.
func (p phone) at(n *cluster.Node) phone {
	p.from = n.Phones()
	return p
}

// phones configures DNs by way of the node, waits until every running node knows
// them, and puts their telephones beside it.
func phones(t *testing.T, n *cluster.Node, dns ...string) []phone {
	t.Helper()
	realm, err := n.Realm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []phone
	var req configpb.WriteRequest
	for i, dn := range dns {
		p := phone{dn: dn, password: "secret-" + dn, realm: realm, from: n.Phones(), port: 6000 + 2*i}
		out = append(out, p)
		req.Mutations = append(req.Mutations, &configpb.Mutation{
			Op: &configpb.Mutation_PutDn{PutDn: cluster.SIPDN(dn, realm, p.password)},
		})
	}
	eventually(t, starting, "the DNs can be written", func(ctx context.Context) error {
		_, err := n.Configuration().Write(ctx, &req)
		return err
	})
	for _, peer := range n.Peers() {
		eventually(t, soon, peer.Name()+" knows the DNs", func(ctx context.Context) error {
			if !peer.Running() {
				return nil
			}
			return knowsDN(ctx, peer, dns[len(dns)-1])
		})
	}
	return out
}

// numbers are count DNs from first on.
func numbers(first, count int) []string {
	var out []string
	for i := range count {
		out = append(out, fmt.Sprint(first+i))
	}
	return out
}

// register makes all the phones register at the node by sipp, with digest.
func register(t *testing.T, n *cluster.Node, phones ...phone) {
	t.Helper()
	sipp(t, "register", n, "u1", 600, phones...)
}

// unregister takes the registrations back.
func unregister(t *testing.T, n *cluster.Node, phones ...phone) {
	t.Helper()
	sipp(t, "register", n, "u1", 0, phones...)
}

// sipp plays a scenario of testdata, once a phone. All of them stand in one place.
func sipp(t *testing.T, scenario string, n *cluster.Node, transport string, expires int, phones ...phone) {
	t.Helper()
	if err := runSIPP(t, scenario, n, transport, expires, phones...); err != nil {
		t.Fatal(err)
	}
}

func runSIPP(t *testing.T, scenario string, n *cluster.Node, transport string, expires int, phones ...phone) error {
	t.Helper()
	cmd := sippCommand(t, scenario, n, transport, expires, phones...)
	if err := phones[0].from.Start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(cmd.Dir, "messages.log"))
		return fmt.Errorf("sipp %s at %s: %w\n%s", scenario, n.Name(), err, log[max(0, len(log)-3000):])
	}
	return nil
}

func sippCommand(t *testing.T, scenario string, n *cluster.Node, transport string, expires int, phones ...phone) *exec.Cmd {
	t.Helper()
	path, err := filepath.Abs("testdata/" + scenario + ".xml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var rows strings.Builder
	rows.WriteString("SEQUENTIAL\n")
	for _, p := range phones {
		fmt.Fprintf(&rows, "%s;%s;[authentication username=%s password=%s]\n", p.dn, p.contact(), p.dn, p.password)
	}
	if err := os.WriteFile(dir+"/phones.csv", []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sipp", n.Addr(cluster.SIP).String(),
		"-sf", path, "-inf", "phones.csv", "-t", transport,
		"-i", phones[0].from.IP().String(), "-m", fmt.Sprint(len(phones)), "-r", "100",
		"-key", "domain", phones[0].realm, "-key", "expires", fmt.Sprint(expires),
		"-trace_msg", "-message_file", "messages.log", "-nostdin", "-timeout", "20s", "-timeout_error")
	cmd.Dir = dir
	return cmd
}

// baresip starts a softphone that stays registered until the test ends, or
// stop is called (it is killed: nobody un-registers).
func baresip(t *testing.T, n *cluster.Node, p phone, transport string) (stop func()) {
	t.Helper()
	return softphone(t, n, p, transport, "")
}

// softphone is baresip with more parameters of its account, and arguments. It
// sends a tone, where it talks.
func softphone(t *testing.T, n *cluster.Node, p phone, transport, params string, args ...string) (stop func()) {
	t.Helper()
	dir := t.TempDir()
	account := fmt.Sprintf("<sip:%s@%s>;auth_pass=%s;regint=60;outbound=\"sip:%s;transport=%s\"%s\n",
		p.dn, p.realm, p.password, n.Addr(cluster.SIP), transport, params)
	config := fmt.Sprintf("sip_listen %s:0\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\nmodule_app account.so\nmodule_app menu.so\n"+
		"audio_source aufile,%s/tone.wav\naudio_player aufile,%s/heard.wav\n", p.from.IP(), dir, dir)
	for name, text := range map[string]string{"accounts": account, "config": config, "contacts": "", "tone.wav": tone()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("baresip", append([]string{"-f", dir, "-4"}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := p.from.Start(cmd); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	stop = func() {
		_ = cmd.Process.Kill()
		<-stopped
	}
	go func() { _ = cmd.Wait(); close(stopped) }()
	t.Cleanup(func() {
		stop()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("baresip said:\n%.3000s", text)
		}
	})
	return stop
}

// eventually fails the test when cond does not become nil in time.
// tone is ten seconds of a WAV file, 8 kHz, 16 bit.
func tone() string {
	samples := make([]byte, 160_000)
	for i := 0; i < len(samples); i += 2 {
		binary.LittleEndian.PutUint16(samples[i:], uint16(int16(8000*(i/2/9%2)-4000)))
	}
	b := append([]byte("RIFF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[4:], uint32(36+len(samples)))
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	b = binary.LittleEndian.AppendUint32(b, 8000)
	b = binary.LittleEndian.AppendUint32(b, 16000)
	b = append(b, "\x02\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(samples)))
	return string(append(b, samples...))
}

func eventually(t *testing.T, within time.Duration, what string, cond func(context.Context) error) {
	t.Helper()
	if _, err := cluster.Eventually(t.Context(), within, what, cond); err != nil {
		t.Fatal(err)
	}
}
