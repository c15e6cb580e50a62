package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// phone is a program of scenes: phone DN PASSWORD DOMAIN SERVER registers, from the address
// FROM of the environment where that is given, and answers each call after it has rung;
// with a number at the end it calls that. Told to end, it hangs up and unregisters.
func phone(ctx context.Context, args []string) error {
	ua, err := siptest.NewUA(siptest.Config{DN: args[0], Password: args[1], Domain: args[2], Server: args[3], Local: os.Getenv("FROM"), Repeats: true})
	if err != nil {
		return err
	}
	defer ua.Close()
	if err := accepted(ua.Register(ctx, time.Minute)); err != nil {
		return err
	}
	fmt.Println("registered")
	last, done := context.WithTimeout(context.WithoutCancel(ctx), patience.Limit)
	defer done()
	defer func() { _, _ = ua.Unregister(last) }()
	if len(args) == 5 {
		call, err := ua.Place(ctx, "sip:"+args[4]+"@"+args[2])
		if err != nil {
			return err
		}
		if _, err := call.Await(ctx, 200); err != nil {
			return err
		}
		if err := call.Ack(); err != nil {
			return err
		}
		<-ctx.Done()
		_, err = call.Bye(last)
		return err
	}
	for ctx.Err() == nil {
		call, err := ua.Take(ctx)
		if err != nil {
			return err
		}
		if err := call.Ring(); err != nil {
			return err
		}
		if err := call.Answer(); err != nil {
			return err
		}
	}
	return nil
}

func bePhone() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := phone(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
}
