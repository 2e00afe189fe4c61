// Command ferret serves the MongoDB protocol from a folder of SQLite files, on loopback only.
//
// The tests and the local fleet need a document store on machines that have no MongoDB package. A main of our own
// around the embeddable package is the whole of it, because the upstream binary wants build files that a Go
// module does not carry.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:17017", "loopback address to serve on")
	dir := flag.String("dir", "", "folder for the SQLite files; it must exist")
	flag.Parse()
	if *dir == "" || !strings.HasPrefix(*listen, "127.0.0.1:") {
		log.Fatal("ferret needs --dir and a --listen address on 127.0.0.1")
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Handler:   "sqlite",
		SQLiteURL: "file:" + strings.TrimSuffix(*dir, "/") + "/",
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log.Printf("serving on %s", *listen)
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
