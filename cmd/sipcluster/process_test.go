package main

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// The test binary is the program itself when this is set: dev and demo start
// their nodes by it, too.
const beProgram = "BE_THE_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(beProgram) {
	case "":
		leftover.Main(m)
	case "phone":
		bePhone()
	default:
		main()
	}
}

// program prepares the program as a process of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), beProgram+"=1")
	return cmd
}

func TestPassword_IsGoneFromTheProcessList(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows what the process may overwrite")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(patience.Limit))
	for _, args := range [][]string{
		{"dn", "put", "1001", "--password", "open-sesame"},
		{"dn", "put", "1001", "--password=open-sesame", "--kind", "sip"},
	} {
		cmd := program(t, append(args, "--addr", l.Addr().String(), "--timeout", "20s")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept() // the program is at its work now
		if err != nil {
			t.Fatal(err)
		}
		shown, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "cmdline"))
		if err != nil || bytes.Contains(shown, []byte("sesame")) || !bytes.Contains(shown, []byte("xxxxxxxxxxx")) {
			t.Errorf("%q %v", shown, err)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = conn.Close()
	}
}

func TestTakeArgs_OnlyOverwritesPasswords(t *testing.T) {
	argv := strings.Fields("sipcluster --password abc --password=de --password-file f -- --password gh")
	for i := range argv {
		argv[i] = string([]byte(argv[i])) // in memory that can be written
	}
	args := takeArgs(argv)
	clienttest.Same(t, strings.Join(args, " "), "--password abc --password=de --password-file f -- --password gh")
	clienttest.Same(t, strings.Join(argv[1:], " "), "--password xxx --password=xx --password-file f -- --password gh")
}

func TestServer_EndsWellOnASignal(t *testing.T) {
	a := freeAddrs(t, 6)
	cmd := program(t, "server", "--insecure", "--node", "a", "--site", "dc1", "--data-dir", t.TempDir(), "--bootstrap",
		"--sip-addr", a[0], "--default-addr", a[1], "--tc-addr", a[2], "--cluster-addr", a[3], "--gossip-addr", a[4], "--http-addr", a[5])
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var ended error
	go func() {
		defer close(done)
		ended = cmd.Wait()
	}()
	awaitStatus(t, a[2], done)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	patience.Receive(t, "the end of the process", done)
	if ended != nil {
		t.Errorf("%v: %s", ended, log.String())
	}
}

func TestDemo_ObservesEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Setenv(beProgram, "1") // for the nodes
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	status, out, stderr := runCLI(ctx, "", "demo")
	if status != exitDone || !strings.HasSuffix(out, "\nEvery step was observed as expected at both nodes.\n") {
		t.Errorf("status %d: %s\n%s", status, stderr, out)
	}
}

// freePorts are the first SIP port and the first other one of a cluster of two
// nodes, none of whose ports anybody listens at.
func freePorts(t *testing.T) (sip, base string) {
	t.Helper()
	for first := 20060 + os.Getpid()%40*200; first < 32000; first += 200 {
		if portsFree(first, first+6, first+10, first+16) && portsFree(first+2000, first+2001, first+2002, first+2003, first+2010, first+2011, first+2012, first+2013, first+2080, first+2081) {
			return strconv.Itoa(first), strconv.Itoa(first + 2000)
		}
	}
	t.Fatal("no ports are free")
	return "", ""
}

func portsFree(ports ...int) bool {
	for _, p := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// exampleWorks runs an example of the Go client, as a user does: as whom it asks it finds
// in the contexts.
func exampleWorks(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	gateway := filepath.Join(t.TempDir(), "gateway")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", gateway, "../../api/tlib/examples/gateway").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.CommandContext(ctx, gateway, "--addr", addr)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []string
	for lines := bufio.NewScanner(said); lines.Scan(); {
		all = append(all, lines.Text())
		if strings.Contains(lines.Text(), "EventAgentReady") {
			_ = cmd.Process.Signal(os.Interrupt)
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(strings.Join(all, "\n"), "EventUnregistered") {
		t.Errorf("the gateway: %v: %s%s", err, strings.Join(all, "\n"), complaint.String())
	}
}

func TestDev_RunsCutsHealsAndLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	sipPort, basePort := freePorts(t)
	state, temp := filepath.Join(t.TempDir(), "dev.json"), t.TempDir()
	t.Setenv(beProgram, "1")
	t.Setenv("TMPDIR", temp)
	t.Setenv("SIPCLUSTER_CONTEXTS", filepath.Join(t.TempDir(), "contexts.yaml"))
	other := credential.Context{Name: "other", Addresses: []string{"192.0.2.1:7001"}}
	if err := contexts.Change(os.Getenv("SIPCLUSTER_CONTEXTS"), func(f *contexts.File) error { f.Put(other); f.Current = "other"; return nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	lines, status := make(chan string, 100), make(chan int, 1)
	c, _ := clienttest.Plain()
	c.Out = lineWriter{lines}
	dev := []string{"dev", "--nodes", "2", "--sip-port", sipPort, "--base-port", basePort, "--state", state}
	go func() { status <- run(ctx, c.Console, dev) }()
	for l := range lines {
		if l == "Ctrl-C ends the cluster." {
			break
		}
	}
	if code, _, stderr := runCLI(ctx, "", dev...); code != exitFailed || !strings.Contains(stderr, "is in use") {
		t.Errorf("a second one: status %d: %s", code, stderr)
	}
	base, _ := strconv.Atoi(basePort)
	second := net.JoinHostPort("127.0.0.1", strconv.Itoa(base+11))
	for _, args := range [][]string{{"whoami"}, {"dn", "put", "2003", "--kind", "sip", "--password", "x"}, {"dn", "put", "2004", "--kind", "sip", "--password", "x", "--addr", second}, {"--addr", second, "dn", "get", "2003"}} {
		if code, _, stderr := runCLI(ctx, "", args...); code != exitDone {
			t.Errorf("%v: status %d: %s", args, code, stderr)
		}
	}
	for _, args := range [][]string{{"dev", "cut", "sip1", "dc2"}, {"dev", "heal"}} {
		if code, _, stderr := runCLI(ctx, "", append(args, "--state", state)...); code != exitDone {
			t.Errorf("%v: status %d: %s", args, code, stderr)
		}
	}
	exampleWorks(ctx, t, second)
	cancel()
	if code := patience.Receive(t, "the end of the command", status); code != exitDone {
		t.Errorf("status %d", code)
	}
	if f, err := contexts.Load(os.Getenv("SIPCLUSTER_CONTEXTS")); err != nil || len(f.Contexts) != 1 || f.Current != "other" {
		t.Errorf("contexts at the end: %v, %v", f, err)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(state); err == nil {
		t.Error("the state file is still there")
	}
}

// TestDev_OnIPv6: all that it starts and writes down has the address that was asked for, and
// the commands that it prints do as they say.
func TestDev_OnIPv6(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here: ", err)
	} else {
		_ = l.Close()
	}
	sipPort, basePort := freePorts(t)
	dir := t.TempDir()
	state := filepath.Join(dir, "dev.json")
	t.Setenv(beProgram, "1")
	t.Setenv("TMPDIR", dir)
	t.Setenv("SIPCLUSTER_CONTEXTS", filepath.Join(dir, "contexts.yaml"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	lines, status := make(chan string, 100), make(chan int, 1)
	c, _ := clienttest.Plain()
	c.Out = lineWriter{lines}
	go func() {
		status <- run(ctx, c.Console, []string{"dev", "--bind", "::1", "--nodes", "3", "--sip-port", sipPort, "--base-port", basePort, "--state", state})
	}()
	defer func() {
		cancel()
		if code := patience.Receive(t, "the end of the command", status); code != exitDone {
			t.Errorf("status %d", code)
		}
	}()
	var said []string
	for l := range lines {
		if said = append(said, l); l == "Ctrl-C ends the cluster." {
			break
		}
	}
	all := strings.Join(said, "\n")
	if strings.Contains(all, "127.0.0.1") || strings.Count(all, "http://[::1]:") != 3 {
		t.Errorf("it says\n%s", all)
	}
	tried := 0
	for l := range strings.Lines(all) {
		if args := strings.Fields(strings.ReplaceAll(l, `"`, "")); len(args) > 3 && args[0] == "sipcluster" && args[1] == "status" {
			if tried++; !strings.Contains(l, `"[::1]:`) {
				t.Errorf("a shell takes the brackets for a pattern: %s", l)
			}
			if code, out, stderr := runCLI(ctx, "", args[1:]...); code != exitDone || !strings.Contains(out, "quorum") {
				t.Errorf("%s: status %d: %s%s", l, code, out, stderr)
			}
		}
	}
	for _, args := range [][]string{{"dev", "cut", "sip1", "dc2"}, {"dev", "heal"}} {
		if code, _, stderr := runCLI(ctx, "", append(args, "--state", state)...); code != exitDone {
			t.Errorf("%v: status %d: %s", args, code, stderr)
		}
	}
	base, _ := strconv.Atoi(basePort)
	for i := range 3 {
		resp, err := http.Get("http://" + net.JoinHostPort("::1", strconv.Itoa(base+80+i)) + "/metrics")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("node %d: %v, %v", i+1, resp, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	phones, end := context.WithCancel(ctx)
	defer end()
	registered, over := make(chan string, 100), make(chan int, 1)
	p, _ := clienttest.Plain()
	p.Out = lineWriter{registered}
	go func() {
		over <- run(phones, p.Console, []string{"dev", "phone", "1001", "--node", "sip2", "--state", state})
	}()
	if l := patience.Receive(t, "the phone", registered); !strings.Contains(l, "1001 is registered at sip2 ([::1]:") {
		t.Error(l)
	}
	end()
	patience.Receive(t, "the end of the phone", over)
	if tried == 0 {
		t.Error("no command was printed")
	}
}
